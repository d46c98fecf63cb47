//! The calls of a pickle: those with which PyTorch writes state dicts, training files and TorchScript
//! modules are computed here. No other is ever made: what it would have given is unknown, and only its name
//! is kept.

use crate::checkpoint::entry::{ElementType, checked_elements};
use crate::checkpoint::pickle_danger;
use crate::checkpoint::pickle_value::{Node, PickleError, Storage, TensorRef, Value};
use std::rc::Rc;

/// What a call returns: an existing value or a new object.
pub(crate) enum Outcome {
    Value(Value),
    Node(Node),
}

/// A call that is understood: what its arguments make, `None` for arguments that are not.
type Call = fn(&[Node], &[Value]) -> Result<Option<Outcome>, PickleError>;

/// Every call that is understood, with the fewest and most arguments of it.
const CALLS: [(&str, usize, usize, Call); 14] = [
    ("collections OrderedDict", 0, usize::MAX, empty_dict),
    ("collections defaultdict", 0, usize::MAX, empty_dict),
    ("torch._utils _rebuild_tensor_v2", 6, 7, tensor),
    ("torch._utils _rebuild_tensor", 4, usize::MAX, tensor),
    ("torch._tensor _rebuild_from_type_v2", 4, 4, tensor_with_attributes),
    // Wrappers around their first argument.
    ("torch._utils _rebuild_parameter", 1, usize::MAX, first),
    ("torch._utils _rebuild_parameter_with_state", 1, usize::MAX, first),
    ("torch.jit._pickle build_intlist", 1, usize::MAX, first),
    ("torch.jit._pickle build_doublelist", 1, usize::MAX, first),
    ("torch.jit._pickle build_boollist", 1, usize::MAX, first),
    ("torch.jit._pickle build_tensorlist", 1, usize::MAX, first),
    ("torch.jit._pickle restore_type_tag", 1, usize::MAX, first),
    ("torch Size", 1, usize::MAX, first),
    ("torch device", 0, usize::MAX, device),
];

/// Calls that make an instance of their first argument.
const MAKERS: [&str; 4] = [
    "copy_reg _reconstructor",
    "copyreg _reconstructor",
    "copyreg __newobj__",
    "copyreg __newobj_ex__",
];

/// `callable(*arguments)`, as far as it is understood.
pub(crate) fn call(
    nodes: &[Node],
    callable: &Value,
    arguments: &Value,
) -> Result<Outcome, PickleError> {
    let name = match node(nodes, callable) {
        Some(Node::Global(name)) => name,
        Some(Node::Unknown(name)) => return Ok(unknown(name)),
        _ => return PickleError::form("something that is not a name is called"),
    };
    pickle_danger::refuse(name)?;
    let Some((_, fewest, most, call)) = CALLS.iter().find(|(known, ..)| **known == **name) else {
        let made = made_by(nodes, name, arguments);
        pickle_danger::refuse(made)?;
        return Ok(unknown(made));
    };
    let arguments = match node(nodes, arguments) {
        Some(Node::Tuple(arguments)) => arguments,
        Some(Node::Unknown(name)) => return Ok(unknown(name)),
        _ => return PickleError::form(format!("{name} is called without a list of arguments")),
    };
    if !(*fewest..=*most).contains(&arguments.len()) {
        return PickleError::form(format!("{name} is called with {} arguments", arguments.len()));
    }
    Ok(call(nodes, arguments)?.unwrap_or_else(|| unknown(name)))
}

/// The class that a maker of instances is asked for, else the name that is called itself.
fn made_by<'a>(nodes: &'a [Node], name: &'a Rc<str>, arguments: &Value) -> &'a Rc<str> {
    let class = match node(nodes, arguments) {
        Some(Node::Tuple(arguments)) if MAKERS.contains(&&**name) => arguments.first(),
        _ => None,
    };
    match class.and_then(|class| node(nodes, class)) {
        Some(Node::Global(class) | Node::Unknown(class)) => class,
        _ => name,
    }
}

/// An instance without a constructor run: modules of TorchScript and the settings of training files keep
/// the state they are given, of any other class only the name is kept.
pub(crate) fn new_object(
    nodes: &[Node],
    class: &Value,
    arguments: &Value,
) -> Result<Node, PickleError> {
    let class = match node(nodes, class) {
        Some(Node::Global(class)) => class,
        Some(Node::Unknown(class)) => return Ok(Node::Unknown(class.clone())),
        _ => return PickleError::form("something that is not a name is called"),
    };
    pickle_danger::refuse(class)?;
    if !is_scripted(class) && **class != *"argparse Namespace" {
        return Ok(Node::Unknown(class.clone()));
    }
    match node(nodes, arguments) {
        Some(Node::Tuple(arguments)) if arguments.is_empty() => {
            Ok(Node::Object { class: class.clone(), state: None })
        }
        _ => PickleError::form(format!("{class} is built with arguments")),
    }
}

/// An instance of a class in one of the ways that PyTorch does not use.
pub(crate) fn other_object(nodes: &[Node], class: &Value) -> Result<Node, PickleError> {
    match node(nodes, class) {
        Some(Node::Global(class) | Node::Unknown(class)) => {
            pickle_danger::refuse(class)?;
            Ok(Node::Unknown(class.clone()))
        }
        _ => PickleError::form("something that is not a name is called"),
    }
}

fn unknown(callable: &Rc<str>) -> Outcome {
    Outcome::Node(Node::Unknown(callable.clone()))
}

fn empty_dict(nodes: &[Node], arguments: &[Value]) -> Result<Option<Outcome>, PickleError> {
    // The function of a defaultdict that makes what is missing; nothing is missing here.
    let only_factory = match arguments {
        [] => true,
        [factory] => matches!(node(nodes, factory), Some(Node::Global(_) | Node::Unknown(_))),
        _ => false,
    };
    Ok(only_factory.then_some(Outcome::Node(Node::Dict(Vec::new()))))
}

fn first(_: &[Node], arguments: &[Value]) -> Result<Option<Outcome>, PickleError> {
    Ok(arguments.first().cloned().map(Outcome::Value))
}

fn device(_: &[Node], _: &[Value]) -> Result<Option<Outcome>, PickleError> {
    Ok(Some(Outcome::Node(Node::Opaque)))
}

/// `(function, class, arguments, attributes)`: a tensor or a parameter that has attributes of its own.
fn tensor_with_attributes(
    nodes: &[Node],
    arguments: &[Value],
) -> Result<Option<Outcome>, PickleError> {
    let [function, _, inner, _] = arguments else { return Ok(None) };
    let (Some(Node::Global(function)), Some(Node::Tuple(inner))) =
        (node(nodes, function), node(nodes, inner))
    else {
        return Ok(None);
    };
    match &**function {
        "torch._utils _rebuild_tensor_v2" => tensor(nodes, inner),
        "torch._utils _rebuild_parameter" => first(nodes, inner),
        _ => Ok(None),
    }
}

/// Whether a class is one that TorchScript compiled: `__torch__.package Name` or `__torch__ Name`.
pub(crate) fn is_scripted(class: &str) -> bool {
    class.strip_prefix("__torch__").is_some_and(|rest| rest.starts_with(['.', ' ']))
}

/// What a persistent id names: the storage of `("storage", class, key, location, count)`, where the location
/// (cpu, cuda:0, …) does not matter, or the class of `("module", class, …)`.
pub(crate) fn persistent(nodes: &[Node], id: &Value) -> Result<Outcome, PickleError> {
    let other = || PickleError::Form("a storage is named by a tuple of another form".into());
    let fields = match node(nodes, id) {
        Some(Node::Tuple(fields)) => fields,
        Some(Node::Unknown(name)) => return Ok(unknown(name)),
        _ => return PickleError::form("a storage is named by something else than a tuple"),
    };
    let [Value::Text(tag), class, fields @ ..] = fields.as_slice() else { return Err(other()) };
    if &**tag == "module" {
        return Ok(Outcome::Value(class.clone()));
    }
    let [Value::Text(key), Value::Text(_), Value::Int(count), rest @ ..] = fields else {
        return Err(other());
    };
    if &**tag != "storage" || rest.len() > 1 || key.len() > 64 {
        return Err(other());
    }
    let Ok(count) = u64::try_from(*count) else {
        return PickleError::form("a storage has a negative length");
    };
    let class = match node(nodes, class) {
        Some(Node::Global(class)) => class,
        Some(Node::Unknown(class)) => return Ok(unknown(class)),
        _ => return PickleError::form("something that is not a name is called"),
    };
    pickle_danger::refuse(class)?;
    Ok(match storage_type(class) {
        Some(dtype) => Outcome::Node(Node::Storage(Storage { key: key.clone(), dtype, count })),
        None => unknown(class),
    })
}

fn storage_type(class: &str) -> Option<ElementType> {
    let (module, name) = class.split_once(' ')?;
    if !matches!(module, "torch" | "torch.cuda" | "torch.storage") {
        return None;
    }
    Some(match name.strip_suffix("Storage")? {
        "Double" => ElementType::F64,
        "Float" => ElementType::F32,
        "Half" => ElementType::F16,
        "BFloat16" => ElementType::Bf16,
        "Long" => ElementType::I64,
        "Int" => ElementType::I32,
        "Byte" => ElementType::U8,
        other => ElementType::Other(other.chars().take(32).collect()),
    })
}

/// `(storage, offset, size, stride, …)` as a view that stays inside its storage.
fn tensor(nodes: &[Node], arguments: &[Value]) -> Result<Option<Outcome>, PickleError> {
    let [storage, offset, size, stride, ..] = arguments else {
        return PickleError::form("a tensor is built with arguments of another form");
    };
    if let Some(name) = unknown_among(nodes, [storage, offset, size, stride]) {
        return Ok(Some(unknown(name)));
    }
    let Value::Int(offset) = offset else {
        return PickleError::form("a tensor is built with arguments of another form");
    };
    let Some(Node::Storage(storage)) = node(nodes, storage) else {
        return PickleError::form("a tensor is built on something else than a storage");
    };
    let (shape, strides) = (integers(nodes, size)?, integers(nodes, stride)?);
    let Ok(offset) = u64::try_from(*offset) else {
        return PickleError::form("a tensor begins before its storage");
    };
    if shape.len() != strides.len() {
        return PickleError::form("a tensor has another number of strides than of dimensions");
    }
    let shape: Vec<usize> =
        shape.iter().map(|&dimension| usize::try_from(dimension).unwrap_or(usize::MAX)).collect();
    let elements = checked_elements(&shape)
        .map_err(|error| PickleError::Form(format!("a tensor is not usable: {error}")))?;
    if elements > storage.count {
        let reason =
            format!("a tensor of {elements} values is a view of a storage of {}", storage.count);
        return PickleError::form(reason);
    }
    let tensor = TensorRef { storage: storage.clone(), offset, shape, strides };
    match tensor.end() {
        Some(end) if end <= tensor.storage.count => Ok(Some(Outcome::Node(Node::Tensor(tensor)))),
        _ => PickleError::form("a tensor reaches beyond its storage"),
    }
}

/// The name of a value that is not understood, among what a tensor is built of.
fn unknown_among<'a>(nodes: &'a [Node], parts: [&'a Value; 4]) -> Option<&'a Rc<str>> {
    let of = |value: &'a Value| match node(nodes, value)? {
        Node::Unknown(name) => Some(name),
        _ => None,
    };
    parts.into_iter().find_map(|part| match node(nodes, part) {
        Some(Node::Tuple(values) | Node::List(values)) => values.iter().find_map(of),
        _ => of(part),
    })
}

impl TensorRef {
    /// One past the last value of the storage that the tensor touches; `None` on overflow.
    pub(crate) fn end(&self) -> Option<u64> {
        if self.shape.contains(&0) {
            return Some(self.offset);
        }
        let last =
            self.shape.iter().zip(&self.strides).try_fold(self.offset, |last, (&n, &step)| {
                last.checked_add((n as u64 - 1).checked_mul(step)?)
            });
        last?.checked_add(1)
    }

    /// Whether the values lie one after the other in row-major order. Strides of dimensions of
    /// length 1 mean nothing.
    pub(crate) fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&n, &step)| {
            let fits = n <= 1 || step == expected;
            expected = expected.saturating_mul(n as u64);
            fits
        })
    }
}

fn integers(nodes: &[Node], value: &Value) -> Result<Vec<u64>, PickleError> {
    let (Some(Node::Tuple(values)) | Some(Node::List(values))) = node(nodes, value) else {
        return PickleError::form("a tensor's sizes are not a tuple");
    };
    if values.len() > crate::checkpoint::entry::MAX_RANK {
        return PickleError::form("a tensor has more dimensions than any model's");
    }
    let integers = values.iter().map(|value| match value {
        Value::Int(value) => u64::try_from(*value).ok(),
        _ => None,
    });
    integers
        .collect::<Option<_>>()
        .ok_or_else(|| PickleError::Form("a tensor's sizes are not counts".into()))
}

fn node<'a>(nodes: &'a [Node], value: &Value) -> Option<&'a Node> {
    match value {
        Value::Node(index) => nodes.get(*index),
        _ => None,
    }
}
