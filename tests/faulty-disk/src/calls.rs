//! The functions that stand in place of the C library's.
#![allow(unsafe_code, reason = "functions of the C library's names, which take what it takes")]

use libc::{EIO, O_APPEND, O_CREAT, O_TRUNC, c_char, c_int, c_void, iovec, off_t, size_t, ssize_t};

use crate::disk::{Disk, Open};
use crate::log::Record;
use crate::real::{self, Mode, bytes, failed};

/// Opens a file.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: Mode) -> c_int {
    // SAFETY: as the caller has it.
    unsafe { open64(path, flags, mode) }
}

/// Opens a file.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: Mode) -> c_int {
    // SAFETY: the caller's path ends with a zero.
    let (name, is_there) = unsafe { (bytes(path), real::length(path)) };
    let Some((mut disk, name)) = Disk::with_path(name) else {
        // SAFETY: as the caller has it.
        return unsafe { real::open(path, flags, mode) };
    };
    let is_new = flags & O_CREAT != 0 && is_there.is_none();
    let is_cut = flags & O_TRUNC != 0 && !is_new;
    let has_room = !is_new || disk.has_room();
    let kind = if is_new { "new" } else { "open" };
    let record = Record { kind, path: &name, more: if is_cut { b"cut" } else { b"" }, ..Record::default() };
    if let Some(error) = disk.deny(has_room) {
        disk.note(false, record, &[]);
        return failed(error);
    }
    // SAFETY: as the caller has it.
    let file = unsafe { real::open(path, flags, mode) };
    match real::status(file) {
        None => disk.note(false, record, &[]),
        Some((number, _)) => {
            if is_cut {
                disk.grew(-is_there.unwrap_or(0));
            }
            disk.note(true, Record { file: number, ..record }, &[]);
            disk.opened(file, Open { path: name, number, is_appended: flags & O_APPEND != 0 });
        }
    }
    file
}

/// Reads.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(file: c_int, buffer: *mut c_void, count: size_t) -> ssize_t {
    // SAFETY: as the caller has it.
    reading(file, || unsafe { real::read(file, buffer, count) })
}

/// Reads from an offset.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pread64(file: c_int, buffer: *mut c_void, count: size_t, at: off_t) -> ssize_t {
    // SAFETY: as the caller has it.
    reading(file, || unsafe { real::pread(file, buffer, count, at) })
}

fn reading(file: c_int, read: impl FnOnce() -> ssize_t) -> ssize_t {
    let Some((mut disk, open)) = Disk::with_open(file) else { return read() };
    let done = match disk.deny(true) {
        Some(error) => failed(error) as ssize_t,
        None => read(),
    };
    let Open { path, number, .. } = open;
    disk.note(done >= 0, Record { kind: "read", file: number, path: &path, more: b"" }, &[]);
    done
}

/// Writes.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(file: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: as the caller has it.
    writing(file, None, buffer, count, |count| unsafe { real::write(file, buffer, count) })
}

/// Writes to an offset.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(file: c_int, buffer: *const c_void, count: size_t, at: off_t) -> ssize_t {
    // SAFETY: as the caller has it.
    writing(file, Some(at), buffer, count, |count| unsafe { real::pwrite(file, buffer, count, at) })
}

/// Writes several buffers: the first that is not empty, which is as much as a caller can count on.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(file: c_int, buffers: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller gives so many buffers.
    let buffers = unsafe { std::slice::from_raw_parts(buffers, count.max(0) as usize) };
    match buffers.iter().find(|buffer| buffer.iov_len > 0) {
        // SAFETY: a buffer holds as many bytes as it says.
        Some(buffer) => unsafe { write(file, buffer.iov_base, buffer.iov_len) },
        None => 0,
    }
}

fn writing(
    file: c_int,
    at: Option<off_t>,
    buffer: *const c_void,
    count: size_t,
    write: impl FnOnce(size_t) -> ssize_t,
) -> ssize_t {
    let Some((mut disk, open)) = Disk::with_open(file) else { return write(count) };
    let length = real::status(file).map_or(0, |(_, length)| length);
    let at = if open.is_appended { length } else { at.unwrap_or_else(|| real::position(file)) };
    let fits = disk.room_for(count, at, length);
    let done = match disk.deny(fits > 0 || count == 0) {
        Some(error) => failed(error) as ssize_t,
        None => write(fits),
    };
    let written = done.max(0) as usize;
    disk.grew((at + written as i64 - length).max(0));
    let more = at.to_string();
    let record = Record { kind: "write", file: open.number, path: &open.path, more: more.as_bytes() };
    // SAFETY: of the caller's buffer so many bytes have just been written.
    disk.note(done >= 0, record, unsafe { real::slice(buffer, written) });
    done
}

/// Flushes a file.
// SAFETY: it does what the C library has this name for.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    flushing(file, real::fsync)
}

/// Flushes what a file holds.
// SAFETY: it does what the C library has this name for.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    flushing(file, real::fdatasync)
}

fn flushing(file: c_int, flush: fn(c_int) -> c_int) -> c_int {
    let Some((mut disk, open)) = Disk::with_open(file) else { return flush(file) };
    let done = disk.deny(true).map_or_else(|| flush(file), failed);
    disk.note(done == 0, Record { kind: "sync", file: open.number, path: &open.path, more: b"" }, &[]);
    done
}

/// Cuts a file, or makes it longer.
// SAFETY: it does what the C library has this name for.
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(file: c_int, length: off_t) -> c_int {
    let Some((mut disk, open)) = Disk::with_open(file) else { return real::ftruncate(file, length) };
    let before = real::status(file).map_or(0, |(_, length)| length);
    let done = disk.deny(true).map_or_else(|| real::ftruncate(file, length), failed);
    if done == 0 {
        disk.grew(length - before);
    }
    let more = length.to_string();
    let record = Record { kind: "cut", file: open.number, path: &open.path, more: more.as_bytes() };
    disk.note(done == 0, record, &[]);
    done
}

/// Cuts a file, or makes it longer.
// SAFETY: it does what the C library has this name for.
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(file: c_int, length: off_t) -> c_int {
    ftruncate64(file, length)
}

/// Closes a file.
// SAFETY: it does what the C library has this name for.
#[unsafe(no_mangle)]
pub extern "C" fn close(file: c_int) -> c_int {
    let Some((mut disk, open)) = Disk::with_open(file) else { return real::close(file) };
    // A file is closed, whatever error comes of it.
    let closed = real::close(file);
    disk.closed(file);
    let done = disk.deny(true).map_or(closed, |_| failed(EIO));
    disk.note(done == 0, Record { kind: "close", file: open.number, path: &open.path, more: b"" }, &[]);
    done
}

/// Gives a file another name.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the caller's paths end with zeros.
    let (old, new, replaced) = unsafe { (bytes(from), bytes(to), real::length(to)) };
    // SAFETY: as the caller has it.
    let rename = || unsafe { real::rename(from, to) };
    let Some((mut disk, old)) = Disk::with_path(old) else { return rename() };
    let new = disk.below(new);
    let done = disk.deny(true).map_or_else(rename, failed);
    if done == 0 {
        disk.grew(-replaced.unwrap_or(0));
    }
    disk.note(done == 0, Record { kind: "rename", path: &old, more: &new, ..Record::default() }, &[]);
    done
}

/// Deletes a file.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller's path ends with a zero.
    let length = unsafe { real::length(path) };
    // SAFETY: the same.
    let (name, done) = unsafe { (bytes(path), of_path("unlink", path, b"", || real::unlink(path))) };
    if done == 0
        && let Some((mut disk, _)) = Disk::with_path(name)
    {
        disk.grew(-length.unwrap_or(0));
    }
    done
}

/// Makes a folder.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: Mode) -> c_int {
    // SAFETY: the caller's path ends with a zero.
    unsafe { of_path("mkdir", path, b"", || real::mkdir(path, mode)) }
}

/// Deletes an empty folder.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: the caller's path ends with a zero.
    unsafe { of_path("rmdir", path, b"", || real::rmdir(path)) }
}

/// Makes a symbolic link.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symlink(target: *const c_char, path: *const c_char) -> c_int {
    // SAFETY: the caller's paths end with zeros.
    unsafe { of_path("symlink", path, bytes(target), || real::symlink(target, path)) }
}

/// A call that changes what names there are.
///
/// # Safety
/// `path` ends with a zero.
unsafe fn of_path(
    kind: &'static str,
    path: *const c_char,
    more: &[u8],
    call: impl FnOnce() -> c_int,
) -> c_int {
    // SAFETY: the caller's path ends with a zero.
    let Some((mut disk, path)) = Disk::with_path(unsafe { bytes(path) }) else { return call() };
    let has_room = !matches!(kind, "mkdir" | "symlink") || disk.has_room();
    let done = disk.deny(has_room).map_or_else(call, failed);
    disk.note(done == 0, Record { kind, path: &path, more, ..Record::default() }, &[]);
    done
}
