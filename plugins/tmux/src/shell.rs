//! Whether a process is a shell that only waits for somebody to type.
//!
//! `bash` is; `bash build.sh` and `bash -c ...` are work. Whatever is not clearly
//! the first counts as work: an idle shell may be ended, work may not.

/// File names of shells.
const SHELLS: [&str; 24] = [
    "ash", "bash", "csh", "dash", "elvish", "es", "fish", "ksh", "ksh93", "loksh", "mksh", "nu", "oksh",
    "osh", "pdksh", "posh", "pwsh", "rbash", "rc", "rzsh", "sh", "tcsh", "yash", "zsh",
];

/// Long options that change how a shell looks and not what it does.
const HARMLESS: [&str; 7] =
    ["--interactive", "--login", "--no-config", "--noprofile", "--norc", "--posix", "--private"];

/// Options that take the next argument, which is then no script.
const WITH_VALUE: [&str; 6] = ["--init-file", "--rcfile", "-O", "+O", "-o", "+o"];

/// The file name of a program as its first argument gives it, without the dash
/// of a login shell.
pub fn program(first: &str) -> &str {
    let name = first.rsplit('/').next().unwrap_or(first);
    name.strip_prefix('-').unwrap_or(name)
}

/// Whether a file name is that of a shell.
pub fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

/// Whether the arguments are those of a shell without anything to do. `name` is
/// the kernel's name of the process, which must be a shell's too: a program can
/// write anything over its own arguments.
pub fn only_waits(name: &str, argv: &[String]) -> bool {
    let Some((first, rest)) = argv.split_first() else {
        return false;
    };
    is_shell(name) && is_shell(program(first)) && no_work(rest)
}

fn no_work(arguments: &[String]) -> bool {
    let mut arguments = arguments.iter().map(String::as_str);
    while let Some(argument) = arguments.next() {
        let harmless = if WITH_VALUE.contains(&argument) {
            arguments.next().is_some()
        } else if argument.starts_with("--") {
            HARMLESS.contains(&argument)
        } else {
            // Letters such as `-il`; a `c` among them brings a command.
            argument.len() > 1
                && argument.starts_with('-')
                && argument[1..].chars().all(|c| "ilrsvx".contains(c))
        };
        if !harmless {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(name: &str, line: &str) -> bool {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        only_waits(name, &argv)
    }

    #[test]
    fn shells_that_wait() {
        let cases = [
            ("bash", "bash"),
            ("bash", "-bash"),
            ("bash", "/bin/bash"),
            ("sh", "/bin/sh"),
            ("zsh", "-zsh"),
            ("bash", "/usr/bin/bash -il"),
            ("bash", "bash --norc --noprofile"),
            ("bash", "bash --init-file /opt/x/shellIntegration.sh"),
            ("bash", "bash -O extglob"),
            ("fish", "fish --login"),
            ("bash", "bash -s"),
        ];
        for (name, line) in cases {
            assert!(waits(name, line), "{line}");
        }
    }

    #[test]
    fn shells_at_work_and_other_programs() {
        let cases = [
            ("bash", "bash build.sh"),
            ("bash", "bash -x build.sh"),
            ("bash", "bash -c sleep"),
            ("bash", "bash -lc make"),
            ("sh", "sh -ic x"),
            ("fish", "fish --command x"),
            ("bash", "bash --init-file"),
            ("bash", "bash --rcfile a build.sh"),
            ("bash", "bash --unheard-of"),
            ("bash", "bash -"),
            ("bash", "bash --"),
            ("python3", "python3"),
            ("python3", "bash"),
            ("bash", "python3"),
            ("bashful", "bashful"),
            ("ssh", "ssh host"),
            ("bash", "bash "),
        ];
        for (name, line) in cases {
            assert!(!waits(name, line), "{line}");
        }
        assert!(!only_waits("bash", &[]), "arguments that could not be read");
    }

    #[test]
    fn programs_by_file_name() {
        let cases =
            [("-bash", "bash"), ("/usr/bin/node", "node"), ("agent", "agent"), ("", ""), ("-/bin/sh", "sh")];
        for (first, name) in cases {
            assert_eq!(program(first), name, "{first:?}");
        }
    }
}
