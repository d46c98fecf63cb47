//! Training files that hold more than weights: settings, counters and objects of other libraries. Nothing in
//! them is run; what is not understood is left alone unless the weights themselves are made of it.

use crate::checkpoint_support::{
    call, dict, floats, global, int, pickle, storage, tensor, text, torch_bytes, tuple, write,
};
use crate::open_support::{decode, golden, open_with};
use crate::program;
use safetensors::SafeTensors;
use softcfg_studio::checkpoint::{CheckpointError, Container};
use softcfg_studio::opening::request::OpenRequest;
use softcfg_studio::prompts::condition::Condition;
use std::fs;
use std::path::{Path, PathBuf};

/// Pickles of one dict each, written by Python's own pickle module with the libraries that they name; the
/// fuzz target begins with them, too.
fn extras() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/pickle_guard");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    let extras = named.filter(|(name, _)| name.starts_with("pickle_"));
    extras.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

/// What an extra's pickle builds, as a part of another pickle.
fn body(extra: &[u8]) -> Vec<u8> {
    extra[2..extra.len() - 1].to_vec()
}

/// The tensors of a safetensors file as a dict of a pickle, and the blocks of their numbers.
pub(crate) fn state_dict(path: &Path) -> (Vec<u8>, Vec<Vec<u8>>) {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (mut weights, mut blocks) = (Vec::new(), Vec::new());
    // By name: the library lists them in another order each time.
    let mut tensors = file.tensors();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (index, (name, view)) in tensors.into_iter().enumerate() {
        assert_eq!(view.dtype(), safetensors::Dtype::F32);
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let strides: Vec<i64> =
            (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
        let stored = storage("FloatStorage", &index.to_string(), shape.iter().product());
        weights.push((name, tensor(stored, 0, &shape, &strides)));
        blocks.push(view.data().to_vec());
    }
    let weights: Vec<(&str, Vec<u8>)> =
        weights.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
    (dict(&weights), blocks)
}

/// The class miniature of LlamaGen as a training file: its weights under `model`, and what else is given.
fn training_file(folder: &Path, others: &[(&str, Vec<u8>)]) -> PathBuf {
    let source = golden("llamagen/c2i_tiny");
    fs::copy(source.join("config.json"), folder.join("config.json")).unwrap();
    let (weights, blocks) = state_dict(&source.join("weights.safetensors"));
    let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    let whole = [&[("model", weights), ("steps", int(300_000))], others].concat();
    write(folder, "c2i_tiny.pt", &torch_bytes(&pickle(dict(&whole)), &blocks))
}

// Source: deepmd-kit#4147, open-retina#186
#[test]
fn a_person_opens_a_training_file_with_objects_of_other_libraries() {
    let plain = tempfile::tempdir().unwrap();
    training_file(plain.path(), &[]);
    let drawn = |folder: &Path| {
        let mut request = OpenRequest::new([folder.join("c2i_tiny.pt")]);
        request.tokenizer = Some(golden("llamagen/vq16_tiny/vq16_tiny.pt"));
        let model = open_with(&request).unwrap_or_else(|error| panic!("{error}"));
        let record = decode(&model, &Condition::Class(3));
        record.tokens(1, model.card.layout.len())
    };
    let expected = drawn(plain.path());
    for name in ["pickle_numpy_scalar_2", "pickle_omegaconf_2", "pickle_defaultdict_2"] {
        let (_, extra) = extras().into_iter().find(|(found, _)| found == name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        training_file(folder.path(), &[("args", body(&extra))]);
        assert_eq!(drawn(folder.path()), expected, "{name}");
    }
}

// Source: deepmd-kit#4147, open-retina#186
#[test]
fn every_kind_of_harmless_object_beside_the_weights_is_left_alone() {
    let found = extras();
    assert!(found.len() > 40, "{}", found.len());
    for (name, extra) in found {
        let weights = || dict(&[("a", tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]))]);
        let open = |whole: Vec<u8>| {
            let folder = tempfile::tempdir().unwrap();
            let bytes = torch_bytes(&pickle(whole), &[&floats(&[1.0, 2.0])]);
            let path = write(folder.path(), "a.pt", &bytes);
            let container =
                Container::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(container.entries().len(), 1, "{name}");
            assert_eq!(container.tensor("a").unwrap().to_vec1::<f32>().unwrap(), [1.0, 2.0]);
        };
        // Before and after the weights, and among them.
        open(dict(&[("args", body(&extra)), ("model", weights())]));
        open(dict(&[("model", weights()), ("args", body(&extra))]));
        let flat = tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]);
        open(dict(&[("args", body(&extra)), ("a", flat)]));
    }
}

/// A file of two numbers whose pickle builds `whole`.
fn opened(whole: Vec<u8>) -> Result<Container, CheckpointError> {
    let folder = tempfile::tempdir().unwrap();
    let bytes = torch_bytes(&pickle(whole), &[&floats(&[1.0, 2.0])]);
    Container::open(&write(folder.path(), "a.pt", &bytes))
}

fn named(error: CheckpointError) -> String {
    match error {
        CheckpointError::Unsafe { callable, .. } => callable,
        other => panic!("{other}"),
    }
}

// Source: found in use
#[test]
fn weights_that_are_made_by_an_unknown_call_are_refused_by_its_name() {
    let array = || call(global("numpy.core.multiarray", "_reconstruct"), &[int(1)]);
    let sound = || tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]);
    // The whole file, the state dict, or all that is in it.
    let class = || [global("training.model", "Network"), b")\x81".to_vec()].concat();
    assert_eq!(named(opened(class()).unwrap_err()), "training.model.Network");
    for key in ["model", "state_dict"] {
        let error = opened(dict(&[("epoch", int(1)), (key, class())])).unwrap_err();
        assert_eq!(named(error), "training.model.Network");
        let error = opened(dict(&[(key, dict(&[("a", array())]))])).unwrap_err();
        assert_eq!(named(error), "numpy.core.multiarray._reconstruct");
    }
    // Averages do not silently stand for weights that cannot be read.
    let error = opened(dict(&[("model", class()), ("ema", dict(&[("a", sound())]))])).unwrap_err();
    assert_eq!(named(error), "training.model.Network");
    // One tensor of several: the others are there, and this one is not missing but unknown.
    let container = opened(dict(&[("model", dict(&[("a", sound()), ("b", array())]))])).unwrap();
    assert_eq!(container.entries().len(), 1);
    assert_eq!(named(container.tensor("b").unwrap_err()), "numpy.core.multiarray._reconstruct");
    // Built on a storage or of sizes that are not understood.
    let sized = |size: Vec<u8>| {
        let hooks = call(global("collections", "OrderedDict"), &[]);
        let storage = storage("FloatStorage", "0", 2);
        let parts = [storage, int(0), size, tuple(&[int(1)]), b"\x89".to_vec(), hooks];
        call(global("torch._utils", "_rebuild_tensor_v2"), &parts)
    };
    for weight in [sized(array()), sized(tuple(&[array()]))] {
        let error = opened(dict(&[("a", weight)])).unwrap_err();
        assert_eq!(named(error), "numpy.core.multiarray._reconstruct");
    }
}

// Source: found in use
#[test]
fn a_person_who_opens_a_model_with_one_unknown_weight_hears_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = training_file(folder.path(), &[]);
    let bytes = fs::read(&path).unwrap();
    // A tensor of the model becomes the work of a function that only sounds like PyTorch's.
    let (from, to) = ("_rebuild_tensor_v2", "_rebuild_tensor_vX");
    let place = bytes.windows(from.len()).rposition(|window| window == from.as_bytes()).unwrap();
    let changed = [&bytes[..place], to.as_bytes(), &bytes[place + to.len()..]].concat();
    fs::write(&path, changed).unwrap();
    let message = program::refused(folder.path(), &["inspect", "c2i_tiny.pt"], 2);
    assert!(message.contains("asks to run \"torch._utils._rebuild_tensor_vX\""), "{message}");
    assert!(message.contains("nothing was run"), "{message}");
}

// Source: found in use
#[test]
fn a_file_that_would_run_a_program_is_refused_wherever_the_call_stands() {
    let weights = || dict(&[("a", tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]))]);
    for (module, name) in
        [("os", "system"), ("posix", "system"), ("builtins", "exec"), ("subprocess", "run")]
    {
        let run = || call(global(module, name), &[text("true")]);
        // As an argument of a harmless call, in the state of an object, as a key.
        for extra in [
            run(),
            call(global("functools", "partial"), &[run()]),
            [
                global("easydict", "EasyDict"),
                b")\x81".to_vec(),
                dict(&[("x", run())]),
                b"b".to_vec(),
            ]
            .concat(),
            [b"}".to_vec(), run(), int(1), b"s".to_vec()].concat(),
        ] {
            let error = opened(dict(&[("model", weights()), ("args", extra)])).unwrap_err();
            assert_eq!(named(error), format!("{module}.{name}"));
        }
    }
}

// Source: found in use
#[test]
fn tensors_with_attributes_and_masks_of_old_files_are_read() {
    let inner = |function: &str| {
        let hooks = call(global("collections", "OrderedDict"), &[]);
        let parts = match function {
            "_rebuild_parameter" => {
                vec![
                    tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]),
                    b"\x88".to_vec(),
                    hooks,
                ]
            }
            _ => {
                let (size, step) = (tuple(&[int(2)]), tuple(&[int(1)]));
                vec![storage("FloatStorage", "0", 2), int(0), size, step, b"\x89".to_vec(), hooks]
            }
        };
        let class = global("torch.nn.parameter", "Parameter");
        let arguments =
            [global("torch._utils", function), class, tuple(&parts), dict(&[("name", text("a"))])];
        call(global("torch._tensor", "_rebuild_from_type_v2"), &arguments)
    };
    for function in ["_rebuild_tensor_v2", "_rebuild_parameter"] {
        let container = opened(dict(&[("a", inner(function))])).unwrap();
        assert_eq!(container.tensor("a").unwrap().to_vec1::<f32>().unwrap(), [1.0, 2.0]);
    }
    // The format of before version 1.6: a mask of bools stands before the block of the weights.
    let id = |class: &str, key: &str, count: i32| {
        let fields = [
            text("storage"),
            global("torch", class),
            text(key),
            text("cpu"),
            int(count),
            b"N".to_vec(),
        ];
        [tuple(&fields), b"Q".to_vec()].concat()
    };
    let whole = dict(&[
        ("mask", tensor(id("BoolStorage", "1", 3), 0, &[3], &[1])),
        ("model", dict(&[("a", tensor(id("FloatStorage", "2", 2), 0, &[2], &[1]))])),
    ]);
    let start =
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let order = pickle([b"](".to_vec(), text("1"), text("2"), b"e".to_vec()].concat());
    let block = |count: u64, bytes: &[u8]| [&count.to_le_bytes(), bytes].concat();
    let blocks = [block(3, &[1, 0, 1]), block(2, &floats(&[1.0, 2.0]))].concat();
    let folder = tempfile::tempdir().unwrap();
    let bytes = [start.to_vec(), pickle(whole), order, blocks].concat();
    let container = Container::open(&write(folder.path(), "old.pt", &bytes)).unwrap();
    assert_eq!(container.tensor("a").unwrap().to_vec1::<f32>().unwrap(), [1.0, 2.0]);
}
