//! Identities of peers: the names of their records, as Kopf makes them.

use crate::runtime::clock;
use std::{env, fs, iter};

/// The variables in which Kopf looks for the user's name, in its order.
const USER: [&str; 4] = ["LOGNAME", "USER", "LNAME", "USERNAME"];
/// The pod's name, which keeps its identity when its container begins again.
const POD: &str = "POD_ID";
/// The ends of names of machines that tell nothing.
const ENDS: [&str; 2] = [".local", ".localdomain"];

/// That of an operator: its pod's, or one of its own for each process.
pub fn of_process(operator: &str) -> String {
    variable(POD).unwrap_or_else(|| {
        let begun = clock::now().strftime("%Y%m%d%H%M%S");
        let random: String = iter::repeat_with(fastrand::lowercase).take(3).collect();
        format!("{}/{begun}/{random}", of_person(operator))
    })
}

/// That of a person at a machine, in which a freeze is in force until the same person ends it.
pub fn of_person(operator: &str) -> String {
    let user = USER.into_iter().find_map(variable).unwrap_or_else(|| operator.to_owned());
    format!("{user}@{}", without_ends(&host()))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn host() -> String {
    let file = fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    file.filter(|name| !name.is_empty())
        .or_else(|| variable("HOSTNAME"))
        .unwrap_or_else(|| "localhost".to_owned())
}

fn without_ends(host: &str) -> &str {
    let shorter = ENDS.into_iter().find_map(|end| host.strip_suffix(end));
    shorter.map_or(host, without_ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_without_what_all_have() {
        for (host, expected) in [
            ("notebook.local", "notebook"),
            ("a.localdomain.local", "a"),
            ("web.example.com", "web.example.com"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(without_ends(host), expected);
        }
    }

    #[test]
    fn each_process_has_an_identity_of_its_own_and_each_person_the_same_one() {
        let [one, other] = [(); 2].map(|()| of_process("greeter"));
        assert!(one != other || variable(POD).is_some(), "{one}");
        assert_eq!(of_person("greeter"), of_person("greeter"));
    }
}
