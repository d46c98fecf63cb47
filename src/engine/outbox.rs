//! Where worker threads leave events, and where the engine's owner takes them.

use crate::engine::events::{Event, Preview};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::sync::Arc;
use std::time::Duration;

/// Called from a worker thread whenever there is something to drain; the window asks for a repaint.
pub(super) type Waker = Arc<dyn Fn() + Send + Sync>;

/// Lifecycle events waiting for the owner. A command causes a handful at most, so an owner that
/// drains between commands never fills it.
const EVENT_CAPACITY: usize = 256;

/// Previews waiting for the owner; when full, the oldest goes.
const PREVIEW_CAPACITY: usize = 16;

/// The sending side, shared by the worker threads.
pub(crate) struct Outbox {
    events: Sender<Event>,
    previews: Sender<Preview>,
    previews_oldest: Receiver<Preview>,
    waker: Waker,
}

/// The receiving side, in the hands of the owner.
pub(crate) struct Inbox {
    events: Receiver<Event>,
    previews: Receiver<Preview>,
}

/// Both sides; `waker` is called after every event.
pub(crate) fn outbox(waker: Waker) -> (Outbox, Inbox) {
    let (events_in, events) = bounded(EVENT_CAPACITY);
    let (previews_in, previews) = bounded(PREVIEW_CAPACITY);
    let previews_oldest = previews.clone();
    let outbox = Outbox { events: events_in, previews: previews_in, previews_oldest, waker };
    (outbox, Inbox { events, previews })
}

impl Outbox {
    /// A lifecycle event. If the owner has stalled for hundreds of them it is dropped rather than
    /// stalling the worker: what matters stands in the run's record.
    pub(crate) fn send(&self, event: Event) {
        let _ = self.events.try_send(event);
        (self.waker)();
    }

    /// Previews that are to be seen at once; when nobody takes them, the oldest make room.
    pub(crate) fn offer_previews(&self, previews: impl IntoIterator<Item = Preview>) {
        for mut preview in previews {
            while let Err(TrySendError::Full(back)) = self.previews.try_send(preview) {
                let _ = self.previews_oldest.try_recv();
                preview = back;
            }
        }
        (self.waker)();
    }
}

impl Inbox {
    /// One event that has arrived, without waiting; lifecycle events before previews.
    pub(crate) fn next(&self) -> Option<Event> {
        self.events.try_recv().ok().or_else(|| self.previews.try_recv().ok().map(Event::Preview))
    }

    /// Waits for a lifecycle event.
    pub(crate) fn wait(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }
}
