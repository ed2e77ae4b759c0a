//! HTTP/1.1 as far as the hub needs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) range: Option<usize>,
    pub(super) authorized: bool,
    pub(super) body: Vec<u8>,
}

/// A request; `None` of one that breaks off.
pub(super) fn read(stream: &TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut range, mut length, mut authorized) = (None, 0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => range = value.strip_prefix("bytes=").and_then(|v| v.split('-').next()?.parse().ok()),
            "content-length" => length = value.parse().unwrap_or(0),
            "authorization" => authorized = value == "Bearer secret",
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, range, authorized, body })
}

/// The head of an answer whose body has this length.
pub(super) fn head(
    out: &mut TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    length: usize,
) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Reason\r\nContent-Length: {length}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    out.write_all((text + "\r\n").as_bytes())
}

/// An answer in JSON.
pub(super) fn reply(out: &mut TcpStream, status: u16, value: &Value) -> std::io::Result<()> {
    let body = value.to_string();
    head(out, status, &[("Content-Type", "application/json")], body.len())?;
    out.write_all(body.as_bytes())
}
