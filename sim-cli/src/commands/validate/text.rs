//! The recording of a case: made by perf, kept if somebody wants it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::host::Host;
use crate::cli::ValidateArgs;
use crate::failure::Failure;
use crate::output::write_bytes;
use crate::perf::{self, Lines};
use crate::rounds::case::Case;
use crate::rounds::program::program;

/// The text of the recording of a case.
pub(super) struct Text {
    /// The file's.
    pub(super) name: String,
    /// The threads'. No other process has it, so the busiest one of that name is the one that made the rounds.
    pub(super) comm: String,
    pub(super) bytes: Vec<u8>,
    /// Where it is kept, if that was asked for.
    path: Option<PathBuf>,
}

impl Text {
    /// Records the rounds of a case.
    pub(super) fn record(
        args: &ValidateArgs,
        case: &Case,
        host: &Host,
        signalled: &AtomicBool,
    ) -> Result<Text, Failure> {
        let aside = temporary()?;
        let comm = format!("rounds-{}", std::process::id());
        let program = program(aside.path(), case, args.rounds, &comm);
        let program = program.map_err(|e| Failure::io("cannot write in", &aside.path().display().to_string(), &e))?;
        let name = text_name(case);
        let lines = Lines { events: &host.found.present, program: &program, output: Path::new(&name) };
        let ran = lines.run(aside.path());
        if signalled.load(Ordering::Relaxed) {
            return Err(Failure::new(
                format!("{}: interrupted", case.name),
                "its recording was cut short and thrown away",
            ));
        }
        ran?;
        let bytes = match perf::text(aside.path()) {
            Ok(bytes) => bytes,
            Err(failure) => return Err(lines.keep(aside, &failure)),
        };
        let mut text = Text { path: None, name, comm, bytes };
        if let Some(directory) = &args.keep {
            text.keep(directory)?;
        }
        Ok(text)
    }

    fn keep(&mut self, directory: &Path) -> Result<(), Failure> {
        let path = directory.join(&self.name);
        write_bytes(&path, &self.bytes).map_err(|e| Failure::io("cannot write", &path.display().to_string(), &e))?;
        self.path = Some(path);
        Ok(())
    }

    /// Where it is; it is kept if it is nowhere yet.
    pub(super) fn kept(&mut self) -> Result<&Path, Failure> {
        if self.path.is_none() {
            self.keep(&temporary()?.keep())?;
        }
        Ok(self.path.as_deref().expect("it is kept"))
    }

    /// The rounds are not found in it.
    pub(super) fn unusable(&mut self, case: &Case, message: &str) -> Failure {
        let (message, expected) =
            (format!("{}: {message}", case.name), "expected the calls of every round, and no others");
        match self.kept() {
            Ok(path) => {
                let path = path.display();
                Failure::new(message, format!("{expected}; perf may have lost events; the recording is kept: {path}"))
            }
            Err(failure) => Failure::new(message, format!("{expected}; it is lost: {failure}")),
        }
    }
}

/// A directory that is removed when nobody needs it any more.
fn temporary() -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new().prefix("mmusim-").tempdir();
    made.map_err(|e| Failure::io("cannot write in", &std::env::temp_dir().display().to_string(), &e))
}

/// The name of its file.
pub(super) fn text_name(case: &Case) -> String {
    format!("{}.perf.txt", case.name)
}
