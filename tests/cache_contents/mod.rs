//! Keys and values that a cache holds, position by position, found where attention reads them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use candle_core::{Device, Tensor};
use softcfg_studio::compute::cpu::Numbers;
use softcfg_studio::compute::cpu::cache_block::{BLOCK, columns, value_place};
use softcfg_studio::compute::kv_cache::KvCache;

/// Keys of a layer and kv head, `[length, head_dim]`.
pub fn keys(cache: &KvCache, layer: usize, head: usize) -> Vec<f32> {
    if let Some((keys, _)) = on_device(cache, layer) {
        return of_head(&keys, cache, head);
    }
    let (keys, _) = cache.visible(layer, cache.length()).expect("a filled layer");
    host(cache, keys, BLOCK, head, |position, channel| channel * BLOCK + position % BLOCK)
}

/// Raw values, as [`keys`].
pub fn values(cache: &KvCache, layer: usize, head: usize) -> Vec<f32> {
    if let Some((_, values)) = on_device(cache, layer) {
        return of_head(&values, cache, head);
    }
    let (_, values) = cache.visible(layer, cache.length()).expect("a filled layer");
    let block = cache.value_block();
    host(cache, values, block, head, |position, channel| {
        let mut all = columns(cache.head_dim());
        let columns = all.find(|columns| columns.contains(&channel)).expect("all channels");
        value_place(position, block, &columns) + channel - columns.start
    })
}

/// Keys and values `[kv_heads, length, head_dim]` of a layer on another device than the CPU.
fn on_device(cache: &KvCache, layer: usize) -> Option<(Tensor, Tensor)> {
    let device = cache.device_layer(layer)?;
    let (keys, values) = device.first_places(1, device.offset() + cache.length()).unwrap();
    let part = |stack: Tensor| stack.narrow(2, device.offset(), cache.length())?.squeeze(0);
    Some((part(keys).unwrap(), part(values).unwrap()))
}

fn of_head(layer: &Tensor, cache: &KvCache, head: usize) -> Vec<f32> {
    assert!(head < cache.kv_heads());
    let rows = layer.get(head).unwrap().to_device(&Device::Cpu).unwrap();
    rows.flatten_all().unwrap().to_vec1().unwrap()
}

/// `at` gives the place of a position's channel in its head's block of `block` positions.
fn host(
    cache: &KvCache,
    numbers: Numbers<'_>,
    block: usize,
    head: usize,
    at: impl Fn(usize, usize) -> usize,
) -> Vec<f32> {
    let dim = cache.head_dim();
    let places = (0..cache.length()).flat_map(|position| {
        let start = (position / block * cache.kv_heads() + head) * block * dim;
        let at = &at;
        (0..dim).map(move |channel| start + at(position, channel))
    });
    match numbers {
        Numbers::F32(numbers) => places.map(|place| numbers[place]).collect(),
        Numbers::Bf16(bits) => {
            places.map(|place| f32::from_bits(u32::from(bits[place]) << 16)).collect()
        }
    }
}
