//! Opening models on the loader thread: looking at files, progress by bytes, cancelling, and which
//! model is in memory meanwhile.
//!
//! The model in use stays usable while another is looked at and while it loads, as long as memory holds
//! both. Where it does not, the old one is freed first, after everything that can be checked without
//! weights has passed; if loading then fails, the built-in model takes its place.

use crate::checkpoint::{CheckpointError, LoadProgress};
use crate::engine::events::Event;
use crate::engine::panic::panic_message;
use crate::engine::shared::Shared;
use crate::models::card::Model;
use crate::opening::builtin;
use crate::opening::error::OpenError;
use crate::opening::offer::{self, ModelOffer};
use crate::opening::open;
use crate::opening::request::{OpenRequest, SystemResources};
use crossbeam_channel::{RecvTimeoutError, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// Time between two events of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);
/// Longest wait for a run to let go of the model that is being freed; it stops within one step.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts `work` on a thread of its own, after the one before, which is asked to stop.
pub(crate) fn start(
    shared: &Arc<Shared>,
    progress: Arc<LoadProgress>,
    work: impl FnOnce(&Shared) + Send + 'static,
) {
    let mut loader = shared.loading.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(earlier) = loader.progress.replace(progress) {
        earlier.cancel();
    }
    let earlier = loader.thread.take();
    let for_thread = shared.clone();
    let spawned = Builder::new().name("loader".into()).spawn(move || {
        // One at a time, in the order asked for.
        if let Some(earlier) = earlier {
            let _ = earlier.join();
        }
        let work = AssertUnwindSafe(|| work(&for_thread));
        if let Err(panic) = catch_unwind(work) {
            let message = panic_message(panic.as_ref());
            for_thread.outbox.send(Event::ModelFailed { message });
        }
    });
    match spawned {
        Ok(handle) => loader.thread = Some(handle),
        Err(error) => shared.outbox.send(Event::ModelFailed {
            message: format!("no thread could be started to load the model ({error})"),
        }),
    }
}

/// Asks the loading thread to stop.
pub(crate) fn cancel(shared: &Shared) {
    let loader = shared.loading.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(progress) = &loader.progress {
        progress.cancel();
    }
}

/// Whether nothing else was asked for since.
fn is_newest(shared: &Shared, progress: &Arc<LoadProgress>) -> bool {
    let loader = shared.loading.lock().unwrap_or_else(PoisonError::into_inner);
    loader.progress.as_ref().is_some_and(|newest| Arc::ptr_eq(newest, progress))
}

/// Ends in the event that fits: the model, a cancellation, or a message.
pub(crate) fn finish(shared: &Shared, outcome: Result<Model, OpenError>) {
    match outcome {
        Ok(model) => shared.install(model),
        Err(error) => shared.outbox.send(failure(&error)),
    }
}

fn failure(error: &OpenError) -> Event {
    match error {
        OpenError::Checkpoint(CheckpointError::Cancelled) => Event::LoadCancelled,
        error => Event::ModelFailed { message: error.to_string() },
    }
}

/// Reports what lies at the paths of a request.
pub(crate) fn survey(shared: &Shared, request: &OpenRequest) {
    let reclaimable = shared.held_bytes();
    let resources = SystemResources { reclaimable, ..SystemResources::of_this_machine() };
    match offer::survey(request, &resources) {
        Ok(offer) => shared.outbox.send(Event::ModelFound(Arc::new(offer))),
        Err(error) => shared.outbox.send(Event::ModelFailed { message: error.to_string() }),
    }
}

/// Opens a model and puts it in the place of the one in use.
pub(crate) fn open(
    shared: &Shared,
    request: &OpenRequest,
    resources: SystemResources,
    progress: &Arc<LoadProgress>,
) {
    let mut resources = resources.on(request.device);
    let offer = match offer::survey_headers(request, &resources) {
        Ok(offer) => offer,
        Err(error) => return shared.outbox.send(failure(&error)),
    };
    let freed = make_room(shared, &offer, &mut resources);
    let outcome =
        reporting(shared, &offer.name, progress, || open::open(request, &resources, progress));
    let failed = outcome.is_err();
    // If another model was asked for meanwhile, that one alone is reported.
    if is_newest(shared, progress) || !progress.is_cancelled() {
        finish(shared, outcome);
    }
    if failed && freed {
        finish(shared, builtin::load_on(request.device).map_err(OpenError::from));
    }
}

/// Frees the model in use if the new one fits only without it; whether it did.
fn make_room(shared: &Shared, offer: &ModelOffer, resources: &mut SystemResources) -> bool {
    let (Some(free), Some(peak)) = (resources.free_memory, offer.peak(offer.precision())) else {
        return false;
    };
    if !offer.is_complete() || peak <= free {
        return false;
    }
    let held = shared.held_bytes();
    if peak > free.saturating_add(held) {
        return false;
    }
    shared.release_model(RELEASE_TIMEOUT);
    resources.free_memory = Some(free.saturating_add(held));
    true
}

/// Sends progress while `work` goes on, at most twenty times a second and only when it has moved.
fn reporting<T>(
    shared: &Shared,
    name: &str,
    progress: &LoadProgress,
    work: impl FnOnce() -> T,
) -> T {
    let (done, wait) = bounded::<()>(0);
    let report = |fraction: f32| {
        shared.outbox.send(Event::LoadProgress { name: name.to_owned(), fraction });
    };
    report(0.0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut last = 0.0;
            while let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(REPORT_INTERVAL) {
                let fraction = progress.fraction();
                if (fraction - last).abs() >= 0.005 {
                    report(fraction);
                    last = fraction;
                }
            }
        });
        // Dropped when the work ends, also by a panic, which ends the reporter at once.
        let _done = done;
        work()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::device_kind::DeviceKind;
    use crate::engine::worker::{Engine, EngineOptions};
    use std::path::Path;

    fn engine_with_builtin() -> Engine {
        let options = EngineOptions { decoder_threads: Some(1), waker: Arc::new(|| ()) };
        let engine = Engine::start(options).unwrap();
        engine.install(builtin::load().unwrap());
        assert!(matches!(engine.next_event(), Some(Event::ModelReady(_))));
        engine
    }

    fn rar(tokenizer: &str) -> OpenRequest {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let mut request = OpenRequest::new([golden.join("rar/model/rar_tiny.bin")]);
        request.tokenizer = Some(golden.join(tokenizer));
        request
    }

    /// Opens with this many bytes less free than are needed.
    fn open_short_of(engine: &Engine, request: &OpenRequest, short: u64) -> Vec<Event> {
        let offer = offer::survey(request, &SystemResources::default()).unwrap();
        let free_memory = offer.peak(offer.precision()).map(|peak| peak - short);
        let resources = SystemResources { free_memory, ..SystemResources::default() };
        open(&engine.shared, request, resources, &Arc::default());
        let events = std::iter::from_fn(|| engine.next_event());
        events.filter(|event| !matches!(event, Event::LoadProgress { .. })).collect()
    }

    fn name(engine: &Engine) -> Option<String> {
        engine.shared.state().model.as_ref().map(|model| model.card.identity.family.clone())
    }

    #[test]
    fn the_old_model_makes_room_where_memory_does_not_hold_both() {
        let engine = engine_with_builtin();
        let held = engine.shared.held_bytes();
        assert!(held > 1_000_000);
        let events = open_short_of(&engine, &rar("rar_tokenizer/weights.safetensors"), held / 2);
        assert!(matches!(events.as_slice(), [Event::ModelReady(_)]), "{}", events.len());
        assert_eq!(name(&engine).as_deref(), Some("RAR"));
    }

    #[test]
    fn a_model_that_does_not_fit_anyway_leaves_the_old_one_alone() {
        let engine = engine_with_builtin();
        let held = engine.shared.held_bytes();
        let before = engine.shared.state().model.clone();
        let events = open_short_of(&engine, &rar("rar_tokenizer/weights.safetensors"), 2 * held);
        let [Event::ModelFailed { message }] = events.as_slice() else { panic!("no refusal") };
        assert!(message.contains("are free"), "{message}");
        let (before, after) = (before.unwrap(), engine.shared.state().model.clone().unwrap());
        assert!(Arc::ptr_eq(&before, &after));
    }

    #[test]
    fn models_are_put_on_the_chosen_device() {
        if DeviceKind::Cuda.open().is_ok() {
            return;
        }
        let engine = engine_with_builtin();
        engine.set_device(DeviceKind::Cuda);
        let wait = || loop {
            match engine.next_event() {
                Some(Event::LoadProgress { .. }) => {}
                Some(event) => break event,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        engine.survey_model(rar("rar_tokenizer/weights.safetensors"));
        let Event::ModelFound(offer) = wait() else { panic!("no offer") };
        assert_eq!(offer.request.device, DeviceKind::Cuda);
        // Which is not there, as each of them notices.
        engine.open_model(rar("rar_tokenizer/weights.safetensors"));
        let Event::ModelFailed { message } = wait() else { panic!("a model without its device") };
        assert!(message.contains("CUDA"), "{message}");
        engine.load_builtin();
        let Event::ModelFailed { message } = wait() else { panic!("a model without its device") };
        assert!(message.contains("CUDA"), "{message}");
        assert_eq!(name(&engine).as_deref(), Some("SimpleAR"), "the model before stays");
    }

    #[test]
    fn the_built_in_model_returns_where_loading_fails_after_the_old_one_was_freed() {
        let engine = engine_with_builtin();
        let held = engine.shared.held_bytes();
        let mut request = rar("rar_tokenizer/weights.safetensors");
        // Refused by the family, after the survey has passed.
        request.grid = Some((16, 16));
        let events = open_short_of(&engine, &request, held / 2);
        assert!(matches!(events.as_slice(), [Event::ModelFailed { .. }, Event::ModelReady(_)]));
        assert_eq!(name(&engine).as_deref(), Some("SimpleAR"));
    }
}
