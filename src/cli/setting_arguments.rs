//! Arguments of the command line for settings of lanes, made from the table of settings.

use crate::engine::settings::{
    Argument, DefaultFrom, Kind, LaneSettings, SETTINGS, Setting, SettingKey, Value,
};
use anyhow::{Result, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The settings that a call gives, each with its value.
#[derive(Debug, Clone, Default)]
pub(super) struct SettingArguments {
    texts: Vec<(SettingKey, String)>,
    flags: Vec<(SettingKey, bool)>,
}

impl SettingArguments {
    /// Whether a setting is given.
    pub(super) fn gives(&self, key: SettingKey) -> bool {
        self.texts.iter().any(|(given, _)| *given == key)
            || self.flags.iter().any(|(given, _)| *given == key)
    }

    /// Sets what is given in a lane.
    ///
    /// # Errors
    /// A text that is no value of its setting; the message names the argument.
    pub(super) fn apply(&self, lane: &mut LaneSettings) -> Result<()> {
        for (key, text) in &self.texts {
            let setting = key.setting();
            let set = setting.parse(text).and_then(|value| setting.set(lane, value));
            set.map_err(|error| anyhow!("--{key} {error}"))?;
        }
        for (key, on) in &self.flags {
            key.setting().set(lane, Value::Switch(*on))?;
        }
        Ok(())
    }
}

/// Name of a setting's argument, if it has one.
fn name(setting: &Setting) -> Option<&'static str> {
    match setting.argument {
        Argument::None => None,
        Argument::Value => Some(setting.key.into()),
        Argument::Flag(name, _) => Some(name),
    }
}

fn argument(setting: &Setting, name: &'static str) -> Arg {
    let argument = Arg::new(name).long(name).help(setting.does).long_help(long_help(setting));
    if matches!(setting.argument, Argument::Flag(..)) {
        return argument.action(ArgAction::SetTrue);
    }
    let value_name = match setting.kind {
        Kind::Number { .. } | Kind::Whole { .. } | Kind::Count { .. } | Kind::Class { .. } => {
            "NUMBER"
        }
        Kind::Switch { .. } | Kind::Choice { .. } => "NAME",
        Kind::Text { .. } => "TEXT",
    };
    argument.value_name(value_name)
}

fn long_help(setting: &Setting) -> String {
    let mut help = setting.does.to_owned();
    if let Argument::Flag(_, false) = setting.argument {
        help = format!("Switches {} off. What it does: {help}", setting.noun);
    }
    if !setting.term.is_empty() {
        help += &format!(" {}", setting.term);
    }
    if !matches!(setting.kind, Kind::Switch { .. }) {
        let allowed = setting.allowed();
        help += &format!(" Takes {allowed}.");
    }
    if setting.default == DefaultFrom::Authors {
        help += " Default: the authors' for the model.";
    }
    help
}

impl Args for SettingArguments {
    fn augment_args(command: Command) -> Command {
        let arguments =
            SETTINGS.iter().filter_map(|setting| Some(argument(setting, name(setting)?)));
        command.args(arguments)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in &SETTINGS {
            match setting.argument {
                Argument::None => {}
                Argument::Value => {
                    let text = matches.get_one::<String>(setting.key.into());
                    self.texts.extend(text.map(|text| (setting.key, text.clone())));
                }
                Argument::Flag(name, on) => {
                    self.flags.extend(matches.get_flag(name).then_some((setting.key, on)));
                }
            }
        }
        Ok(())
    }
}
