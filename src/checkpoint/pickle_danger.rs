//! Names that a file calls only to do something to the machine that loads it. No call of a pickle is ever
//! run; a file with one of these is refused whole all the same, so that the person hears of it.

use crate::checkpoint::pickle_value::{PickleError, readable};

/// Modules of which nothing belongs into a checkpoint: they start programs, run code, reach the network or
/// change files.
const MODULES: [&str; 32] = [
    "_pickle",
    "asyncio",
    "bdb",
    "code",
    "codeop",
    "commands",
    "ctypes",
    "ftplib",
    "http.client",
    "imp",
    "importlib",
    "marshal",
    "nt",
    "os",
    "pdb",
    "pickle",
    "pip",
    "popen2",
    "posix",
    "pty",
    "requests.api",
    "runpy",
    "shutil",
    "smtplib",
    "socket",
    "socketserver",
    "subprocess",
    "sys",
    "telnetlib",
    "timeit",
    "urllib.request",
    "webbrowser",
];
/// Single functions of other modules, as `module name`.
const FUNCTIONS: [&str; 20] = [
    "builtins __import__",
    "builtins apply",
    "builtins breakpoint",
    "builtins compile",
    "builtins eval",
    "builtins exec",
    "builtins execfile",
    "builtins input",
    "builtins open",
    "io open",
    "joblib load",
    "numpy load",
    "platform popen",
    "numpy.testing._private.utils runstring",
    "pydoc pipepager",
    "torch load",
    "torch.hub load",
    "torch.jit load",
    "torch.serialization load",
    "trace run",
];

/// Refuses to go on where such a name, `module name`, is called.
///
/// # Errors
/// [`PickleError::Call`] with the name.
pub(crate) fn refuse(callable: &str) -> Result<(), PickleError> {
    let (module, name) = callable.split_once(' ').unwrap_or((callable, ""));
    // Python 2 called the module of its own functions otherwise, and newer pickles name attributes, too.
    let module = if module == "__builtin__" { "builtins" } else { module };
    let name = name.split('.').next().unwrap_or_default();
    let within = |known: &&str| {
        module.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if MODULES.iter().any(within) || FUNCTIONS.contains(&format!("{module} {name}").as_str()) {
        return Err(PickleError::Call(readable(callable)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_under_all_their_names() {
        for callable in [
            "os system",
            "posix system",
            "os.path join",
            "builtins eval",
            "__builtin__ eval",
            "builtins eval.__call__",
            "importlib._bootstrap exec",
            "torch load",
        ] {
            assert_eq!(refuse(callable), Err(PickleError::Call(readable(callable))));
        }
        for callable in [
            "builtins getattr",
            "osgeo Dataset",
            "pathlib PosixPath",
            "torch Size",
            "urllib.parse ParseResult",
            "builtins",
        ] {
            assert_eq!(refuse(callable), Ok(()), "{callable}");
        }
    }
}
