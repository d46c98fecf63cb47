//! What a bench has measured: one line for every variant, and the ratios with their bars, as a
//! table and as JSON.

use crate::compute::device_kind::DeviceKind;
use std::collections::BTreeMap;
use std::fmt::Write;

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// What ran.
    pub name: String,
    /// Rows of a step.
    pub rows: usize,
    /// How weights are stored.
    pub precision: String,
    /// Instruction set.
    pub kernel: &'static str,
    /// Median milliseconds a step.
    pub milliseconds: f64,
    /// Bytes of weights that a step has to read.
    pub weight_bytes: u64,
    /// Bytes of keys and values that a step has to read, all rows together.
    pub cache_bytes: u64,
    /// Whether the weights come from memory at every step, so that the roof applies.
    pub from_memory: bool,
}

impl Measurement {
    /// Bytes a second that are read, weights, keys and values, in units of 10⁹.
    pub fn gigabytes_per_second(&self) -> f64 {
        (self.weight_bytes + self.cache_bytes) as f64 / self.milliseconds / 1e6
    }

    /// Bytes of weights a second, in units of 10⁹.
    pub fn weight_gigabytes_per_second(&self) -> f64 {
        self.weight_bytes as f64 / self.milliseconds / 1e6
    }
}

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Where the decoders lie.
    pub device: DeviceKind,
    /// Decoder threads; they do not matter on a device.
    pub threads: usize,
    /// Name of the model that was measured, where it is one.
    pub heading: Option<String>,
    /// Median read bandwidth in 10⁹ bytes a second; 0 where it was not measured.
    pub read_bandwidth: f64,
    /// Lines of the table.
    pub measurements: Vec<Measurement>,
    /// One number a key, as in the JSON file.
    pub figures: BTreeMap<&'static str, f64>,
}

/// Bars of the figures on the CPU: name, limit, and whether more is better.
const BARS: [(&str, f64, bool); 10] = [
    ("bandwidth_share_bf16_2_rows", 0.90, true),
    ("ratio_4_rows_to_2", 1.10, false),
    ("ratio_5_rows_to_2", 1.20, false),
    ("softcfg_to_cfg", 1.01, false),
    ("candle_f32_to_ours_f32", 2.5, true),
    ("candle_f32_to_ours_bf16", 5.0, true),
    ("ratio_token_4000_to_100", 1.05, false),
    ("ratio_busy_to_alone", 1.6, false),
    ("ratio_avx2_to_avx512", 1.3, false),
    ("paired_builtin_run_s", 0.8, false),
];

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text =
            self.heading.iter().map(|heading| format!("{heading}\n")).collect::<String>();
        let on_cpu = self.device == DeviceKind::Cpu;
        let speed = self.read_bandwidth;
        let with = match (on_cpu, speed) {
            (true, 0.0) => format!("Decodes with {} decoder thread(s)", self.threads),
            (true, _) => format!("Reads {speed:.1} GB/s with {} decoder thread(s)", self.threads),
            (false, 0.0) => format!("Decodes on {}", self.device.label()),
            (false, _) => format!("Reads {speed:.1} GB/s on {}", self.device.label()),
        };
        let _ = write!(
            text,
            "{with}\n\n{:<34}{:>5} {:>9} {:>9} {:>9} {:>7} {:>8} {:>7}\n",
            "", "rows", "precision", "kernel", "ms/step", "GB/s", "weights", "share"
        );
        for line in &self.measurements {
            let speed = line.gigabytes_per_second();
            let weights = line.weight_gigabytes_per_second();
            let share = if line.from_memory {
                format!("{:.0}%", 100.0 * speed / self.read_bandwidth)
            } else if self.read_bandwidth > 0.0 {
                "cached".to_owned()
            } else {
                "-".to_owned()
            };
            let _ = writeln!(
                text,
                "{:<34}{:>5} {:>9} {:>9} {:>9.3} {speed:>7.1} {weights:>8.1} {share:>7}",
                line.name, line.rows, line.precision, line.kernel, line.milliseconds,
            );
        }
        let above = |line: &&Measurement| {
            line.from_memory && line.gigabytes_per_second() > self.read_bandwidth
        };
        let above = self.measurements.iter().filter(above).count();
        if above > 0 {
            let _ = writeln!(
                text,
                "\n{above} line(s) exceed the roof: it was measured too low, and shares are not valid."
            );
        }
        text.push('\n');
        for (name, value) in &self.figures {
            let bar =
                BARS.iter().find(|bar| on_cpu && bar.0 == *name).map_or(String::new(), |bar| {
                    let (sign, met) =
                        if bar.2 { (">=", *value >= bar.1) } else { ("<=", *value <= bar.1) };
                    format!("   bar {sign} {:.2}{}", bar.1, if met { "" } else { "  missed" })
                });
            let _ = writeln!(text, "{name:<34}{value:>9.3}{bar}");
        }
        text
    }

    /// The same as JSON: one number a key.
    pub fn json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        object.insert("threads".to_owned(), self.threads.into());
        if self.read_bandwidth > 0.0 {
            object.insert("read_gigabytes_per_second".to_owned(), self.read_bandwidth.into());
        }
        for (name, value) in &self.figures {
            object.insert((*name).to_owned(), (*value).into());
        }
        object.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_is_missed_and_what_is_invalid() {
        let line = Measurement {
            name: "a decoder".into(),
            rows: 2,
            precision: "bf16".into(),
            kernel: "portable",
            milliseconds: 2.0,
            weight_bytes: 30_000_000,
            cache_bytes: 10_000_000,
            from_memory: true,
        };
        assert_eq!(line.gigabytes_per_second(), 20.0);
        assert_eq!(line.weight_gigabytes_per_second(), 15.0);
        let figures = [("ratio_4_rows_to_2", 1.2), ("candle_f32_to_ours_f32", 3.0)];
        let report = |read_bandwidth| Report {
            device: DeviceKind::Cpu,
            threads: 1,
            heading: Some("a model".into()),
            read_bandwidth,
            measurements: vec![line.clone()],
            figures: figures.into(),
        };
        let table = report(25.0).table();
        assert!(table.contains("80%") && !table.contains("not valid"), "{table}");
        assert_eq!(table.matches("missed").count(), 1, "{table}");
        assert!(report(15.0).table().contains("not valid"));
        assert!(table.starts_with("a model\nReads 25.0 GB/s with 1 decoder"), "{table}");
        let unknown = Report { measurements: Vec::new(), ..report(0.0) };
        assert!(unknown.table().contains("Decodes with 1 decoder"), "{}", unknown.table());
        assert!(unknown.json().get("read_gigabytes_per_second").is_none());
        assert_eq!(report(25.0).json()["ratio_4_rows_to_2"], 1.2);
        let card = Report { device: DeviceKind::Cuda, ..report(25.0) }.table();
        assert!(card.contains("Reads 25.0 GB/s on CUDA") && !card.contains("bar"), "{card}");
    }
}
