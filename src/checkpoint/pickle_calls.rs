//! The calls a pickle may make: those with which PyTorch writes state dicts, training files and
//! TorchScript modules. Each is computed here; no other is ever made.

use crate::checkpoint::entry::{ElementType, checked_elements};
use crate::checkpoint::pickle_value::{Node, PickleError, Storage, TensorRef, Value};
use std::rc::Rc;

/// What a call returns: an existing value or a new object.
pub(crate) enum Outcome {
    Value(Value),
    Node(Node),
}

/// `callable(*arguments)`, if it is allowed.
pub(crate) fn call(
    nodes: &[Node],
    callable: &Value,
    arguments: &Value,
) -> Result<Outcome, PickleError> {
    let name = global(nodes, callable)?;
    let Some(Node::Tuple(arguments)) = node(nodes, arguments) else {
        return PickleError::form(format!("{name} is called without a list of arguments"));
    };
    let short =
        || PickleError::Form(format!("{name} is called with {} arguments", arguments.len()));
    let argument = |index: usize| arguments.get(index).ok_or_else(short);
    match &*name {
        "collections OrderedDict" if arguments.is_empty() => {
            Ok(Outcome::Node(Node::Dict(Vec::new())))
        }
        "torch._utils _rebuild_tensor_v2" if (6..=7).contains(&arguments.len()) => {
            tensor(nodes, arguments).map(|tensor| Outcome::Node(Node::Tensor(tensor)))
        }
        "torch._utils _rebuild_tensor_v2" => Err(short()),
        "torch._utils _rebuild_tensor" => {
            tensor(nodes, arguments).map(|tensor| Outcome::Node(Node::Tensor(tensor)))
        }
        // Wrappers around their first argument.
        "torch._utils _rebuild_parameter"
        | "torch._utils _rebuild_parameter_with_state"
        | "torch.jit._pickle build_intlist"
        | "torch.jit._pickle build_doublelist"
        | "torch.jit._pickle build_boollist"
        | "torch.jit._pickle build_tensorlist"
        | "torch.jit._pickle restore_type_tag"
        | "torch Size" => Ok(Outcome::Value(argument(0)?.clone())),
        "torch device" => Ok(Outcome::Node(Node::Opaque)),
        _ => Err(PickleError::Call(name.replacen(' ', ".", 1))),
    }
}

/// An instance without a constructor run: modules of TorchScript, and the settings of training files.
pub(crate) fn new_object(
    nodes: &[Node],
    class: &Value,
    arguments: &Value,
) -> Result<Node, PickleError> {
    let class = global(nodes, class)?;
    let allowed = is_scripted(&class) || *class == *"argparse Namespace";
    if !allowed {
        return Err(PickleError::Call(class.replacen(' ', ".", 1)));
    }
    match node(nodes, arguments) {
        Some(Node::Tuple(arguments)) if arguments.is_empty() => {
            Ok(Node::Object { class, state: None })
        }
        _ => PickleError::form(format!("{class} is built with arguments")),
    }
}

/// Whether a class is one that TorchScript compiled: `__torch__.package Name` or `__torch__ Name`.
pub(crate) fn is_scripted(class: &str) -> bool {
    class.strip_prefix("__torch__").is_some_and(|rest| rest.starts_with(['.', ' ']))
}

/// The storage that a persistent id names: `("storage", class, key, location, count)`. The location
/// (cpu, cuda:0, …) does not matter.
pub(crate) fn storage(nodes: &[Node], id: &Value) -> Result<Storage, PickleError> {
    let Some(Node::Tuple(fields)) = node(nodes, id) else {
        return PickleError::form("a storage is named by something else than a tuple");
    };
    let [Value::Text(tag), class, Value::Text(key), Value::Text(_), Value::Int(count), rest @ ..] =
        fields.as_slice()
    else {
        return PickleError::form("a storage is named by a tuple of another form");
    };
    if &**tag != "storage" || rest.len() > 1 || key.len() > 64 {
        return PickleError::form("a storage is named by a tuple of another form");
    }
    let Ok(count) = u64::try_from(*count) else {
        return PickleError::form("a storage has a negative length");
    };
    let class = global(nodes, class)?;
    let Some(dtype) = storage_type(&class) else {
        return Err(PickleError::Call(class.replacen(' ', ".", 1)));
    };
    Ok(Storage { key: key.clone(), dtype, count })
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
fn tensor(nodes: &[Node], arguments: &[Value]) -> Result<TensorRef, PickleError> {
    let [storage, Value::Int(offset), size, stride, ..] = arguments else {
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
        Some(end) if end <= storage.count => Ok(tensor),
        _ => PickleError::form("a tensor reaches beyond its storage"),
    }
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

fn global(nodes: &[Node], value: &Value) -> Result<Rc<str>, PickleError> {
    match node(nodes, value) {
        Some(Node::Global(name)) => Ok(name.clone()),
        _ => PickleError::form("something that is not a name is called"),
    }
}

fn node<'a>(nodes: &'a [Node], value: &Value) -> Option<&'a Node> {
    match value {
        Value::Node(index) => nodes.get(*index),
        _ => None,
    }
}
