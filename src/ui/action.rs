//! What panels and commands ask for. Actions are collected during a frame and carried out in one place
//! after it.

use crate::engine::quantities::quantity::Axis;
use crate::engine::trace::RunId;
use crate::opening::request::OpenRequest;
use crate::ui::state::cursor::Move;
use crate::ui::state::view::{Comparison, Overlay};
use crate::ui::state::zoom::WindowZoom;
use crate::ui::theme::ThemeChoice;
use std::path::PathBuf;

/// A thing to do after the frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Validate the settings and start a run.
    Generate,
    /// Stop the run that is being decoded.
    Cancel,
    /// Halt the run that decodes, or let it go on.
    SetPaused(bool),
    /// Decode one more token of the run that is paused.
    DecodeStep,
    /// Show a run of the history.
    ShowRun(RunId),
    /// Copy a run's settings into the settings panel.
    RestoreSettings(RunId),
    /// Apply a scenario by its index in `scenarios::table::all()`.
    ApplyScenario(usize),
    /// Put the scenario's words away.
    DismissScenario,
    /// Take a new seed.
    NewSeed,
    /// Switch Live on or off.
    ToggleLive,
    /// Give the keyboard to the prompt.
    EditPrompt,
    /// Save a lane's image at full resolution, with or without the overlay.
    SaveImage {
        /// The run.
        run: RunId,
        /// Its lane.
        lane: usize,
        /// Whether the overlay is drawn over the image.
        with_overlay: bool,
    },
    /// Save the trace of all lanes; CSV or JSON by the file name chosen.
    SaveTrace {
        /// The run.
        run: RunId,
    },
    /// Save the data of the plot in view as CSV.
    SavePlotData {
        /// The run.
        run: RunId,
    },
    /// Save a picture of the plot in view.
    SavePlotPicture,
    /// Ask the engine for a lane's pixels as they stood after `steps` tokens.
    RequestPreview {
        /// The run.
        run: RunId,
        /// Its lane.
        lane: usize,
        /// Tokens drawn so far.
        steps: usize,
    },
    /// Ask the engine for pictures of codes.
    RequestSwatches(Vec<u32>),
    /// Put text on the clipboard.
    Copy(String),
    /// Move the step cursor.
    MoveCursor(Move),
    /// Start or stop playback.
    TogglePlay,
    /// Let go of the pinned token.
    Unpin,
    /// Lay another overlay over the images.
    SetOverlay(Overlay),
    /// Compare lanes in another way.
    SetComparison(Comparison),
    /// Show another plot.
    SetPlotTab(Axis),
    /// Show the whole images again.
    FitImages,
    /// Switch between dark and light.
    SetTheme(ThemeChoice),
    /// Show everything larger or smaller.
    SetZoom(WindowZoom),
    /// Show or hide the sheet of shortcuts.
    ToggleSheet,
    /// Show or hide the command palette.
    TogglePalette,
    /// Show the dialog for opening models.
    OpenModel,
    /// Choose files of a model.
    ChooseModelFiles,
    /// Choose a folder with a model.
    ChooseModelFolder,
    /// Look at files or folders, together with those that lack something.
    LookAtModel(Vec<PathBuf>),
    /// Look at the same files again, asking for something else of them.
    SurveyModel(OpenRequest),
    /// Load a model that was looked at.
    LoadModel(OpenRequest),
    /// Stop loading.
    CancelLoad,
    /// Decode with this many threads from the next run on; `None` is the default.
    SetDecoderThreads(Option<usize>),
    /// Go back to the built-in model.
    LoadBuiltin,
}
