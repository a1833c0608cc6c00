//! What the command line names: a built-in by its name, or a file by its path.

use std::path::Path;

use sim_core::machine::profile::Profile;
use workloads::litmus::{self, LITMUS};
use workloads::machines::{self, MACHINES};
use workloads::outcome::Input;
use workloads::recorded::EMBEDDED;
use workloads::synthetic::{self, Synthetic, WORKLOADS};

use crate::failure::Failure;

/// A machine profile, and where it came from.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Its name and hash.
    pub(crate) input: Input,
    /// What it says.
    pub(crate) profile: Profile,
}

/// A profile by name or path.
pub(crate) fn machine(name: &str) -> Result<Machine, Failure> {
    let read;
    let (stem, text) = if let Some(builtin) = machines::machine(name) {
        (builtin.name, builtin.text)
    } else {
        let known: Vec<_> = MACHINES.iter().map(|m| m.name).collect();
        read = read_text(name, "profile", &known)?;
        (stem(name), read.as_str())
    };
    let profile = Profile::parse(name, text).map_err(|e| Failure::profile(e, text))?;
    Ok(Machine { input: Input::new(stem, text.as_bytes()), profile })
}

/// A synthetic workload by name or path.
pub(crate) fn workload(name: &str) -> Result<Synthetic, Failure> {
    let read;
    let text = if let Some(builtin) = synthetic::find(name) {
        builtin.text
    } else {
        // Whoever may name a workload may name a recording.
        let known: Vec<_> = WORKLOADS.iter().map(|w| w.name).chain(EMBEDDED.iter().map(|r| r.name)).collect();
        read = read_text(name, "workload", &known)?;
        read.as_str()
    };
    Synthetic::parse(name, text).map_err(|e| Failure::text(e, text))
}

/// The text of a litmus file by name or path.
pub(crate) fn litmus(name: &str) -> Result<String, Failure> {
    if let Some(builtin) = litmus::find(name) {
        return Ok(builtin.text.to_owned());
    }
    let known: Vec<_> = LITMUS.iter().map(|builtin| builtin.name).collect();
    read_text(name, "litmus file", &known)
}

/// The name of a file in results, which must not depend on where it lies.
pub(crate) fn stem(path: &str) -> &str {
    Path::new(path).file_stem().and_then(|s| s.to_str()).unwrap_or(path)
}

/// The text of a file that is not the name of anything built in.
pub(crate) fn read_text(path: &str, kind: &str, known: &[&str]) -> Result<String, Failure> {
    let named = if known.is_empty() { String::new() } else { format!(", or one of {}", known.join(", ")) };
    let expected = format!("expected a file{named}");
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::new(format!("no {kind} `{path}`, and no such file"), expected));
        }
        Err(e) => return Err(Failure::io("cannot read", path, &e)),
    };
    if metadata.is_dir() {
        return Err(Failure::new(format!("{path} is a directory"), expected));
    }
    let bytes = std::fs::read(path).map_err(|e| Failure::io("cannot read", path, &e))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&e.as_bytes()[..at]);
        let line = before.matches('\n').count() + 1;
        let message = format!("{path}:{line}: not text (byte {at} is not UTF-8)");
        let language =
            if ["litmus", "witness", "CSV"].iter().any(|word| kind.contains(word)) { "" } else { " in TOML" };
        Failure::new(message, format!("expected a {kind}{language}"))
    })
}
