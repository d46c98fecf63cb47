//! Pickles that want to run something, are malformed or nest without end.

use super::checkpoint_support::*;
use super::{assert_says, refused};
use softcfg_studio::checkpoint::CheckpointError;

/// The error of an archive whose pickle builds `body`.
pub fn refused_pickle(body: Vec<u8>) -> CheckpointError {
    refused("a.pt", &torch_bytes(&pickle(body), &[&floats(&[1.0, 2.0])]))
}

#[test]
fn pickles_that_want_to_run_something() {
    let evil = [
        call(global("os", "system"), &[text("true")]),
        call(global("builtins", "eval"), &[text("1")]),
        call(global("collections", "OrderedDict"), &[text("a")]),
        call(global("torch", "load"), &[text("b.pt")]),
        [global("subprocess", "Popen"), b")\x81".to_vec()].concat(),
        [b"(".to_vec(), text("true"), b"ios\nsystem\n".to_vec()].concat(),
        [b"(".to_vec(), global("os", "system"), text("true"), b"o".to_vec()].concat(),
        [global("os", "system"), b")}\x92".to_vec()].concat(),
        // The storage's class is called by a real unpickler.
        [
            tuple(&[text("storage"), global("os", "system"), text("0"), text("cpu"), int(2)]),
            b"Q".to_vec(),
        ]
        .concat(),
        // By name from the stack, as protocol 4 does.
        [text("os"), text("system"), b"\x93".to_vec(), tuple(&[text("true")]), b"R".to_vec()]
            .concat(),
    ];
    for body in evil {
        let error = refused_pickle(dict(&[("a", body)]));
        assert!(matches!(error, CheckpointError::Unsafe { .. }), "{error}");
        assert_says(&error, "nothing was run");
    }
    // Sound weights beside it make no difference.
    let sound = tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]);
    let evil = call(global("os", "system"), &[text("true")]);
    let error = refused_pickle(dict(&[("model", dict(&[("a", sound)])), ("optimizer", evil)]));
    assert!(matches!(error, CheckpointError::Unsafe { .. }), "{error}");
    // A scripted module may build modules and tensors, nothing else.
    let class = global("__torch__.Module", "Module");
    let state = dict(&[("a", call(global("os", "system"), &[text("true")]))]);
    let body = [class, b")\x81".to_vec(), state, b"b".to_vec()].concat();
    let error = refused("decoder.jit", &torch_bytes(&pickle(body), &[]));
    assert!(matches!(error, CheckpointError::Unsafe { .. }), "{error}");
}

#[test]
fn malformed_pickles() {
    let rebuild = || global("torch._utils", "_rebuild_tensor_v2");
    let short = [
        call(rebuild(), &[]),
        call(rebuild(), &[storage("FloatStorage", "0", 2)]),
        call(rebuild(), &[int(0), int(0), int(0), int(0), int(0), int(0)]),
        call(global("torch._utils", "_rebuild_parameter"), &[]),
        [tuple(&[text("storage")]), b"Q".to_vec()].concat(),
        [text("storage"), b"Q".to_vec()].concat(),
        [rebuild(), text("x"), b"R".to_vec()].concat(),
        [text("not callable"), tuple(&[]), b"R".to_vec()].concat(),
        b"h\x05".to_vec(),
        b"t".to_vec(),
        b"R".to_vec(),
        b"Q".to_vec(),
        b"b".to_vec(),
        b"s".to_vec(),
        b"(u".to_vec(),
        b"a".to_vec(),
        b"X\xff\xff\xff\xffab".to_vec(),
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\x8b\xff\xff\xff\x7f".to_vec(),
        b"X\x01\0\0\0\xff".to_vec(),
        // Half of a pair of surrogates is text in Python; this is none.
        b"X\x03\0\0\0\xed\x9f\xff".to_vec(),
        b"\xfe".to_vec(),
        b"I1\n".to_vec(),
        b"cno newline".to_vec(),
    ];
    for body in short {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let error = refused_pickle(dict(&[("a", body)]));
        assert!(matches!(error, CheckpointError::Format { .. }), "{shown:?}: {error}");
    }
    let views: [(i64, &[i64], &[i64]); 9] = [
        (0, &[3], &[1]),
        (1, &[2], &[1]),
        (-1, &[1], &[1]),
        (0, &[-1], &[1]),
        (0, &[2], &[-1]),
        (0, &[2], &[1, 1]),
        (0, &[2], &[i64::MAX]),
        // A view that repeats two values into a trillion.
        (0, &[1_000_000, 1_000_000], &[0, 0]),
        (0, &[i64::MAX, i64::MAX], &[1, 1]),
    ];
    for (offset, shape, strides) in views {
        let body = tensor(storage("FloatStorage", "0", 2), offset, shape, strides);
        let error = refused_pickle(dict(&[("a", body)]));
        assert!(matches!(error, CheckpointError::Format { .. }), "{shape:?}: {error}");
    }
    for (count, key, part) in [(1 << 40, "0", "claims"), (-1, "0", "negative"), (2, "9", "missing")]
    {
        let body = tensor(storage("FloatStorage", key, count), 0, &[2], &[1]);
        assert_says(&refused_pickle(dict(&[("a", body)])), part);
    }
}

#[test]
fn deep_nesting_ends_with_an_error() {
    let deep = 1_000_000;
    for body in [
        b"(".repeat(deep),
        b"]".repeat(deep),
        [b")".to_vec(), b"\x85".repeat(deep)].concat(),
        [b"}".to_vec(), [&b"q\0"[..], &text("model"), b"}"].concat().repeat(deep / 100)].concat(),
    ] {
        let error = refused_pickle(body);
        let known =
            matches!(error, CheckpointError::Format { .. } | CheckpointError::NoTensors { .. });
        assert!(known, "{error}");
    }
    // A dict that holds itself.
    let body = [b"}q\0".to_vec(), text("model"), b"h\0s".to_vec()].concat();
    assert!(matches!(refused_pickle(body), CheckpointError::NoTensors { .. }));
    // Modules that stand twice in the next, 64 times over: 2^64 paths.
    let module = global("__torch__", "M");
    let mut body = [module.clone(), b")\x81q\0".to_vec()].concat();
    for _ in 0..64 {
        let state = dict(&[("a", b"h\0".to_vec()), ("b", b"h\0".to_vec())]);
        body = [body, module.clone(), b")\x81".to_vec(), state, b"bq\0".to_vec()].concat();
    }
    assert!(matches!(refused_pickle(body), CheckpointError::NoTensors { .. }));
    // An unknown object that holds itself, called, filled and built on, and a million of them.
    let unknown = || [global("a.b", "C"), b")\x81q\0".to_vec()].concat();
    for body in [
        [unknown(), b"h\0h\0sh\0b".to_vec()].concat(),
        [unknown(), b"h\0ah\0ah\0h\0\x86b)R)\x81".to_vec()].concat(),
        [unknown(), b"h\0)Rq\x00".repeat(400_000)].concat(),
        [unknown(), b"0}(".to_vec(), b"h\0h\0".repeat(1_000_000), b"u".to_vec()].concat(),
    ] {
        let error = refused_pickle(body);
        let known = matches!(
            error,
            CheckpointError::Format { .. }
                | CheckpointError::NoTensors { .. }
                | CheckpointError::Unsafe { .. }
        );
        assert!(known, "{error}");
    }
    // Memory grows with the file, not with what it claims: a list remembered and put into itself.
    let body = [b"]q\0".to_vec(), b"h\0a".repeat(100_000)].concat();
    assert!(matches!(refused_pickle(body), CheckpointError::NoTensors { .. }));
}
