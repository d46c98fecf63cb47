//! What this program's own results are called, so that whoever opens one as a model is told what it is.

/// Keyword of the text chunk in which a picture of this program holds the description of its run.
pub const DESCRIPTION_KEYWORD: &str = "softcfg-studio";
/// Key of every run description of this program.
pub(crate) const DESCRIPTION_KEY: &str = "softcfg_studio";
/// Name of the file that describes a run, in a folder of results.
pub const RUN_DESCRIPTION: &str = "run.json";

/// How every table of a trace begins: the columns before the quantities.
pub const TRACE_COLUMNS: &str = "lane,step,kind,row,column,token,forced";

/// What a picture is that holds [`DESCRIPTION_KEYWORD`].
pub(crate) const OWN_PICTURE: &str =
    "a picture that this program drew, with the settings of its run inside";
/// What a file is that begins with [`TRACE_COLUMNS`].
pub(crate) const OWN_TRACE: &str = "the trace of a run of this program";
/// What a folder is that holds [`RUN_DESCRIPTION`].
pub(crate) const OWN_RUN: &str = "the results of a run of this program";
/// What a file is that holds [`DESCRIPTION_KEY`].
pub(crate) const OWN_DESCRIPTION: &str = "the description of a run of this program";
/// What to do with them.
pub(crate) const RESTORE: &str =
    "restoring runs comes in a later version; to open a model choose its weight file or folder";
