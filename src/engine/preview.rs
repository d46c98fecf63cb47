//! The preview thread: partial grids and single codes become pixels, always the newest first, so that
//! previews never slow the tokens down. What is superseded before its turn is never decoded.
//!
//! While a run decodes, the products of a preview run on one thread. On the pool that they take
//! otherwise they would run on every core, the decoder's included. Those of quick models always do: where
//! a slider moves, the next run has begun before the last picture of this one is made.

use crate::compute::error::ModelError;
use crate::engine::events::{Event, Preview, Swatch};
use crate::engine::outbox::Outbox;
use crate::engine::panic::panic_message;
use crate::engine::preview_queue::{GridRequest, Job, LiveProgress, PreviewQueue};
use crate::models::card::Model;
use image::RgbImage;
use rayon::ThreadPoolBuilder;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// The thread's body: serves the queue until it is shut down.
pub(crate) fn serve(queue: &PreviewQueue, outbox: &Outbox) {
    let mut progress = LiveProgress::default();
    // Without it previews are as good, and in the way.
    let quiet = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "preview".into()).build();
    while let Some((model, job)) = queue.next(&progress) {
        let begun = Instant::now();
        let decoding = matches!(&job, Job::Live { record } if record.status().is_decoding());
        if let Job::Live { record } = &job {
            // Noted before decoding, so that a failing preview is not tried again without end.
            progress.begin(record);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| match &quiet {
            Ok(quiet) if model.card.live || queue.is_decoding() => {
                quiet.install(|| work(&model, &job, outbox))
            }
            _ => work(&model, &job, outbox),
        }));
        if let Job::Live { record } = &job {
            progress.spend(begun.elapsed());
            if decoding {
                record.add_preview_time(begun.elapsed());
            }
        }
        let message = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_message(panic.as_ref()),
        };
        outbox.send(Event::Problem { message: format!("A preview could not be made: {message}") });
    }
}

fn work(model: &Model, job: &Job, outbox: &Outbox) -> Result<(), ModelError> {
    match job {
        Job::Live { record } => {
            let steps = record.steps_done();
            let lanes = record.lanes().len();
            let mut made: Vec<(Vec<Option<u32>>, Arc<RgbImage>)> = Vec::new();
            let mut ready = Vec::new();
            for lane in 0..lanes {
                let tokens = record.tokens(lane, steps);
                // Until lanes part, one picture is the picture of both.
                let same = made.iter().find(|(drawn, _)| *drawn == tokens);
                let image = match same {
                    Some((_, image)) => image.clone(),
                    None => Arc::new(model.tokenizer.decode(&tokens, &record.layout)?),
                };
                made.push((tokens, image.clone()));
                ready.push(Preview { run: record.id, lane, steps, image });
                // Quick pictures change side by side; a slow one does not wait for the next.
                if !model.card.live || lane + 1 == lanes {
                    outbox.offer_previews(ready.drain(..));
                }
            }
        }
        Job::Grid(GridRequest { record, lane, steps }) => {
            let tokens = record.tokens(*lane, *steps);
            let image = Arc::new(model.tokenizer.decode(&tokens, &record.layout)?);
            let preview = Preview { run: record.id, lane: *lane, steps: *steps, image };
            outbox.offer_previews([preview]);
        }
        Job::Codes(codes) => {
            let images = model.tokenizer.swatches(codes)?;
            let swatches = codes
                .iter()
                .zip(images)
                .map(|(&code, image)| Swatch { code, image: Arc::new(image) })
                .collect();
            outbox.send(Event::Swatches(swatches));
        }
    }
    Ok(())
}
