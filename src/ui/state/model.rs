//! The model as panels see it: loading, ready or failed; and the models that were opened before.

use crate::models::card::{Conditions, ModelCard};
use crate::opening::request::OpenRequest;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The model that draws.
#[derive(Default)]
pub enum ModelStatus {
    /// Nothing loaded yet.
    #[default]
    Loading,
    /// Ready for runs.
    Ready(Arc<ModelCard>),
    /// Could not be loaded.
    Failed(String),
}

impl ModelStatus {
    /// The model's card, once it is ready.
    pub fn card(&self) -> Option<&Arc<ModelCard>> {
        match self {
            Self::Ready(card) => Some(card),
            _ => None,
        }
    }

    /// Whether the model draws scenarios, which are prompts of the built-in model's grammar.
    pub fn draws_scenarios(&self) -> bool {
        let conditions = self.card().map(|card| &card.conditions);
        matches!(conditions, Some(Conditions::Prompts(book)) if book.grammar().is_some())
    }
}

/// A model that was opened before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentModel {
    /// Name as the menu shows it.
    pub name: String,
    /// How to open it again.
    pub request: OpenRequest,
}

impl RecentModel {
    /// Models that are remembered.
    const KEPT: usize = 8;

    /// Puts a model at the front of `recent`, once. Paths that are not Unicode cannot be written to
    /// the settings and are left out.
    pub fn remember(recent: &mut Vec<Self>, name: String, request: OpenRequest) {
        let mut paths = request.paths.iter().chain(&request.tokenizer);
        if request.paths.is_empty() || !paths.all(|path| path.to_str().is_some()) {
            return;
        }
        recent.retain(|other| other.request.paths != request.paths);
        recent.insert(0, Self { name, request });
        recent.truncate(Self::KEPT);
    }
}
