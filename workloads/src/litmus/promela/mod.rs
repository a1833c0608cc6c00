//! A litmus file under a policy as a model for SPIN: a second statement of what the kernel's paths do, so that another program
//! can be asked for the verdict. `docs/promela.md` says how.
//!
//! The text of the paths is in the `.pml` files beside this one, written from the steps of the kernel's functions; nothing of the
//! explorer is used. Here the pages, CPUs and switches of a file are put in front of them, and its programs behind.

mod facts;
mod programs;
mod refuse;

pub use refuse::Refused;

use sim_core::policy::PolicyInfo;

use super::Litmus;
use facts::Facts;

/// The parts of a model that do not depend on the file, in order.
const PARTS: [&str; 13] = [
    include_str!("machine.pml"),
    include_str!("oracle.pml"),
    include_str!("policy.pml"),
    include_str!("fault.pml"),
    include_str!("reclaim.pml"),
    include_str!("change.pml"),
    include_str!("zap.pml"),
    include_str!("mremap.pml"),
    include_str!("file.pml"),
    include_str!("migrate.pml"),
    include_str!("ksm.pml"),
    include_str!("others.pml"),
    include_str!("latr.pml"),
];

/// Why a policy of one's own is refused.
const UNKNOWN: &str = "a policy has to be stated once more, in STRATEGIES of promela/facts.rs";

/// The model of a file under a policy.
///
/// # Errors
/// With the word that the export has no text for; it can be the policy.
pub fn export(litmus: &Litmus, policy: &PolicyInfo) -> Result<String, Refused> {
    refuse::check(litmus)?;
    if !facts::is_known(policy) {
        return Err(refuse::refused(policy.name, UNKNOWN));
    }
    let facts = Facts::of(litmus);
    let mut text = format!(
        "/* {} under {}, around it {}: {}\n   spin -a FILE; cc -O2 -DSAFETY -o pan pan.c; ./pan\n   With -DONLY=N to spin only violations of one class count. */\n\n",
        litmus.name,
        policy.name,
        litmus.era.name,
        litmus.title.replace("*/", "* /")
    );
    text += &facts.header(policy);
    for part in PARTS {
        text.push('\n');
        text += part;
    }
    text += &programs::processes(&facts, policy);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use sim_core::oracle::Class;
    use sim_core::policy::{self, PolicyInfo};

    use super::super::{Litmus, find};

    #[test]
    fn a_policy_that_is_in_no_table_is_refused() {
        let litmus = Litmus::parse("B01", find("B01-mprotect-ro").expect("a file").text).expect("it is right");
        let immediate = policy::find("immediate").expect("registered");
        assert!(super::export(&litmus, immediate).is_ok());
        let own = PolicyInfo { name: "of-ones-own", ..*immediate };
        let refused = super::export(&litmus, &own).expect_err("nothing is known of it");
        assert_eq!(refused.word, "of-ones-own");
        let page = include_str!("../../../../docs/promela.md");
        assert!(page.contains(refused.why), "docs/promela.md has no `{}`", refused.why);
    }

    /// A class goes by its number in `-DONLY=`, which counts them from 1 in this order.
    #[test]
    fn classes_have_the_same_numbers_everywhere() {
        let names: Vec<_> = Class::ALL.iter().map(|class| class.name()).collect();
        let script = include_str!("../../../../.ci/promela");
        let line = script.lines().find_map(|line| line.strip_prefix("export CLASSES=\"")).expect("the script has them");
        assert_eq!(line, names.join(" ") + "\"");
        let numbered: Vec<_> = names.iter().zip(1..).map(|(name, number)| format!("{number} {name}")).collect();
        let numbered = numbered.join(", ");
        for (file, text) in [
            ("docs/promela.md", include_str!("../../../../docs/promela.md")),
            ("oracle.pml", include_str!("oracle.pml")),
        ] {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&numbered), "{file} has no `{numbered}`");
        }
    }
}
