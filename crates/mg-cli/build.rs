//! Tells the program which revision of its source it is built from, where that is known, and the tests what is here, so that
//! those that need what is not are ignored.

use std::path::Path;
use std::process::Command;

fn main() {
    let git = |words: &[&str]| {
        let output =
            Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    println!("cargo::rustc-env=MG_REVISION={revision}");
    // Commits change what HEAD names; a package without git never changes.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(file) = git(&["rev-parse", "--git-path", name]).filter(|file| Path::new(file).exists()) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    tests();
}

/// What tests need.
fn tests() {
    let say = |name: &str, is_here: bool| {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if is_here {
            println!("cargo::rustc-cfg={name}");
        }
    };
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    say("has_real_data", data.is_dir());
    println!("cargo::rerun-if-env-changed=MG_PYTHON");
    say("has_pytorch", std::env::var_os("MG_PYTHON").is_some());
    println!("cargo::rerun-if-env-changed=MG_RECORD_BITS");
    say("knows_bits", knows_bits() || std::env::var_os("MG_RECORD_BITS").is_some());
}

/// Whether tests/golden/bits.json holds the numbers of processors like this one.
fn knows_bits() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        let avx512 = has!("avx512f");
        let bf16 = has!("avx512bf16") && has!("avx512bw") && has!("avx512vnni");
        return has!("avx2") && has!("fma") && (!avx512 || bf16);
    }
    #[allow(unreachable_code)]
    false
}
