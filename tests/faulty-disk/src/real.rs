//! The calls as the system has them, by their numbers: the functions of these names are ours.
#![allow(unsafe_code, reason = "these are the system's calls")]

use std::ffi::CStr;

use libc::{AT_FDCWD, AT_REMOVEDIR, c_char, c_int, c_uint, c_void, off_t, size_t, ssize_t};

/// What `open` needs to be told of a file that it makes.
pub(crate) type Mode = c_uint;

/// Opens a file.
///
/// # Safety
/// `path` ends with a zero.
pub(crate) unsafe fn open(path: *const c_char, flags: c_int, mode: Mode) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_openat, AT_FDCWD, path, flags, mode) as c_int }
}

/// Reads.
///
/// # Safety
/// `buffer` has room for `count` bytes.
pub(crate) unsafe fn read(file: c_int, buffer: *mut c_void, count: size_t) -> ssize_t {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_read, file, buffer, count) as ssize_t }
}

/// Reads from an offset.
///
/// # Safety
/// `buffer` has room for `count` bytes.
pub(crate) unsafe fn pread(file: c_int, buffer: *mut c_void, count: size_t, at: off_t) -> ssize_t {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_pread64, file, buffer, count, at) as ssize_t }
}

/// Writes.
///
/// # Safety
/// `buffer` holds `count` bytes.
pub(crate) unsafe fn write(file: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_write, file, buffer, count) as ssize_t }
}

/// Writes to an offset.
///
/// # Safety
/// `buffer` holds `count` bytes.
pub(crate) unsafe fn pwrite(file: c_int, buffer: *const c_void, count: size_t, at: off_t) -> ssize_t {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_pwrite64, file, buffer, count, at) as ssize_t }
}

pub(crate) fn fsync(file: c_int) -> c_int {
    // SAFETY: any number of a file is one that the system knows, or refuses.
    unsafe { libc::syscall(libc::SYS_fsync, file) as c_int }
}

pub(crate) fn fdatasync(file: c_int) -> c_int {
    // SAFETY: any number of a file is one that the system knows, or refuses.
    unsafe { libc::syscall(libc::SYS_fdatasync, file) as c_int }
}

pub(crate) fn ftruncate(file: c_int, length: off_t) -> c_int {
    // SAFETY: any number of a file is one that the system knows, or refuses.
    unsafe { libc::syscall(libc::SYS_ftruncate, file, length) as c_int }
}

pub(crate) fn close(file: c_int) -> c_int {
    // SAFETY: any number of a file is one that the system knows, or refuses.
    unsafe { libc::syscall(libc::SYS_close, file) as c_int }
}

/// Gives a file another name.
///
/// # Safety
/// Both paths end with zeros.
pub(crate) unsafe fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) as c_int }
}

/// Deletes a file.
///
/// # Safety
/// `path` ends with a zero.
pub(crate) unsafe fn unlink(path: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_unlinkat, AT_FDCWD, path, 0) as c_int }
}

/// Deletes an empty folder.
///
/// # Safety
/// `path` ends with a zero.
pub(crate) unsafe fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) as c_int }
}

/// Makes a folder.
///
/// # Safety
/// `path` ends with a zero.
pub(crate) unsafe fn mkdir(path: *const c_char, mode: Mode) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_mkdirat, AT_FDCWD, path, mode) as c_int }
}

/// Makes a symbolic link.
///
/// # Safety
/// Both paths end with zeros.
pub(crate) unsafe fn symlink(target: *const c_char, path: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_symlinkat, target, AT_FDCWD, path) as c_int }
}

/// The bytes of a path.
///
/// # Safety
/// `path` ends with a zero.
pub(crate) unsafe fn bytes<'a>(path: *const c_char) -> &'a [u8] {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(path).to_bytes() }
}

/// The bytes of a buffer.
///
/// # Safety
/// `buffer` holds `count` bytes.
pub(crate) unsafe fn slice<'a>(buffer: *const c_void, count: usize) -> &'a [u8] {
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(buffer.cast(), count) }
}

/// What is known of an open file: its number on the disk, and its length. Where none was opened, the reason stays what it is.
pub(crate) fn status(file: c_int) -> Option<(u64, i64)> {
    if file < 0 {
        return None;
    }
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for what the system says.
    let done = unsafe { libc::fstat(file, status.as_mut_ptr()) };
    (done == 0).then(|| {
        // SAFETY: the system has said it.
        let status = unsafe { status.assume_init() };
        (status.st_ino, status.st_size)
    })
}

/// The length of the file at a path; `None` where there is none. A link is itself.
///
/// # Safety
/// `path` ends with a zero.
pub(crate) unsafe fn length(path: *const c_char) -> Option<i64> {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for what the system says of a path that is as the caller promises.
    let done = unsafe { libc::lstat(path, status.as_mut_ptr()) };
    // SAFETY: the system has said it.
    (done == 0).then(|| unsafe { status.assume_init() }.st_size)
}

/// Where the next byte of an open file is read from or written to.
pub(crate) fn position(file: c_int) -> i64 {
    // SAFETY: any number of a file is one that the system knows, or refuses.
    unsafe { libc::lseek(file, 0, libc::SEEK_CUR) }
}

/// Opens a file to append lines to it.
pub(crate) fn open_log(path: &[u8]) -> Option<c_int> {
    let path = std::ffi::CString::new(path).ok()?;
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
    // SAFETY: the path ends with a zero.
    let file = unsafe { open(path.as_ptr(), flags, 0o666) };
    (file >= 0).then_some(file)
}

/// Writes all of it, whatever that takes.
pub(crate) fn write_all(file: c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: these are the bytes of a slice.
        let done = unsafe { write(file, bytes.as_ptr().cast(), bytes.len()) };
        if done <= 0 {
            return;
        }
        bytes = &bytes[done as usize..];
    }
}

/// What a call returns that failed.
pub(crate) fn failed(error: c_int) -> c_int {
    // SAFETY: every thread has an `errno` of its own.
    unsafe { *libc::__errno_location() = error };
    -1
}
