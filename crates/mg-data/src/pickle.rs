//! Pickled Python objects, as far as CIFAR's files need them: dictionaries, lists, tuples, integers, strings, and arrays of
//! bytes. Nothing is imported or called: what a pickle would call becomes an object that keeps the state it is given. Format:
//! PEP 307 and `pickletools`, protocols up to 3.

use std::collections::BTreeMap;

/// Objects of one file. Containers refer to each other by number, so what contains itself does no harm.
pub(crate) struct Pickle<'a> {
    /// What containers contain; keys and values in turn of dictionaries, states of objects.
    containers: Vec<Vec<Value<'a>>>,
    root: Value<'a>,
}

/// A Python object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Numbers that are no integers, `None`, names of functions.
    Other,
    Integer(i64),
    /// A string of bytes or of characters.
    Bytes(&'a [u8]),
    /// A list, tuple, dictionary or object, by its number.
    Container(usize),
}

/// Operations at most, and objects that they make: ours take a few per label.
const MOST: usize = 1 << 22;

/// Reads one object.
///
/// # Errors
/// When the bytes end early or hold an operation that is not known.
pub(crate) fn parse(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    let mut machine =
        Machine { bytes, at: 0, stack: vec![], marks: vec![], memo: BTreeMap::new(), containers: vec![] };
    for _ in 0..MOST {
        if let Some(root) = machine.step()? {
            return Ok(Pickle { containers: machine.containers, root });
        }
    }
    Err(format!("more than {MOST} operations"))
}

impl<'a> Pickle<'a> {
    /// The value of a key of the outermost dictionary.
    pub(crate) fn get(&self, key: &str) -> Option<Value<'a>> {
        let pairs = self.list(self.root)?.chunks_exact(2);
        pairs.rev().find(|pair| pair[0] == Value::Bytes(key.as_bytes())).map(|pair| pair[1])
    }

    /// What a list or tuple contains.
    pub(crate) fn list(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Container(number) => self.containers.get(number).map(Vec::as_slice),
            _ => None,
        }
    }

    /// The bytes of a numpy array: the last part of its state (version, shape, type, order, bytes).
    pub(crate) fn array_bytes(&self, value: Value<'a>) -> Option<&'a [u8]> {
        let &[state] = self.list(value)? else { return None };
        match self.list(state)?.last() {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }
}

impl<'a> Value<'a> {
    /// An integer.
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// A string.
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Lengths of the stack that are marked.
    marks: Vec<usize>,
    memo: BTreeMap<usize, Value<'a>>,
    containers: Vec<Vec<Value<'a>>>,
}

impl<'a> Machine<'a> {
    /// One operation; the value at the end.
    fn step(&mut self) -> Result<Option<Value<'a>>, String> {
        match self.take(1)?[0] {
            b'.' => return self.pop().map(Some),
            0x80 => drop(self.take(1)?),
            b'(' => self.marks.push(self.stack.len()),
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Other),
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Other);
            }
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let number = self.length(4)? as u32;
                self.stack.push(Value::Integer(i64::from(number.cast_signed())));
            }
            b'I' => {
                let number = self.number()?;
                self.stack.push(number.map_or(Value::Other, |number| Value::Integer(number as i64)));
            }
            b'U' | b'C' => self.string(1)?,
            b'T' | b'B' | b'X' => self.string(4)?,
            b'c' => {
                self.line()?;
                self.line()?;
                self.stack.push(Value::Other);
            }
            operation => self.structure(operation)?,
        }
        Ok(None)
    }

    /// Operations on containers and on the memo.
    fn structure(&mut self, operation: u8) -> Result<(), String> {
        match operation {
            b']' | b'}' | b')' => self.contain(vec![]),
            b'l' | b'd' | b't' => {
                let values = self.marked()?;
                self.contain(values);
            }
            0x85..=0x87 => {
                let kept =
                    self.stack.len().checked_sub(usize::from(operation - 0x84)).ok_or("too few objects")?;
                let values = self.stack.split_off(kept);
                self.contain(values);
            }
            b'a' | b'b' => {
                let value = self.pop()?;
                self.extend(vec![value])?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend(vec![key, value])?;
            }
            b'e' | b'u' => {
                let values = self.marked()?;
                self.extend(values)?;
            }
            // No call is made: its result is an object without a state.
            b'R' | 0x81 => {
                self.pop()?;
                self.pop()?;
                self.contain(vec![]);
            }
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            b'p' => {
                let (slot, value) = (self.number()?.ok_or("a memo without a number")?, self.top()?);
                self.memo.insert(slot, value);
            }
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'0' => drop(self.pop()?),
            operation => return Err(format!("unknown operation {operation:#04x} at byte {}", self.at - 1)),
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        let found = found.ok_or_else(|| format!("it ends within {length} bytes at {}", self.at))?;
        self.at += length;
        Ok(found)
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("a line without an end")?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    /// A line with a number that is not negative.
    fn number(&mut self) -> Result<Option<usize>, String> {
        Ok(std::str::from_utf8(self.line()?).ok().and_then(|line| line.trim().parse().ok()))
    }

    /// A number of up to four bytes.
    fn length(&mut self, bytes: usize) -> Result<usize, String> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
    }

    fn integer(&mut self, bytes: usize) -> Result<(), String> {
        let number = self.length(bytes)?;
        self.stack.push(Value::Integer(number as i64));
        Ok(())
    }

    fn string(&mut self, bytes: usize) -> Result<(), String> {
        let length = self.length(bytes)?;
        let string = self.take(length)?;
        self.stack.push(Value::Bytes(string));
        Ok(())
    }

    fn contain(&mut self, values: Vec<Value<'a>>) {
        self.stack.push(Value::Container(self.containers.len()));
        self.containers.push(values);
    }

    /// Adds to the container on top.
    fn extend(&mut self, values: Vec<Value<'a>>) -> Result<(), String> {
        let top = match self.top()? {
            Value::Container(number) => self.containers.get_mut(number),
            _ => None,
        };
        top.ok_or("values are added to what contains none")?.extend(values);
        Ok(())
    }

    fn marked(&mut self) -> Result<Vec<Value<'a>>, String> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or("no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, bytes: usize) -> Result<(), String> {
        let (slot, value) = (self.length(bytes)?, self.top()?);
        self.memo.insert(slot, value);
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<(), String> {
        let slot = self.length(bytes)?;
        self.stack.push(*self.memo.get(&slot).ok_or("nothing is remembered there")?);
        Ok(())
    }

    fn top(&self) -> Result<Value<'a>, String> {
        self.stack.last().copied().ok_or_else(|| "no object".to_owned())
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        self.stack.pop().ok_or_else(|| "no object".to_owned())
    }
}
