//! Plots, legend, inspector and the data that is saved, through their accessible names.

use super::*;

#[test]
fn plots_share_focus_and_cursor_with_the_images() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    let plot = harness.get_by_label("Plot of Entropy").rect();
    harness.hover_at(plot.center());
    harness.run();
    assert_eq!(harness.state().shared.focus.focus(), Some(128));
    harness.get_by_label("unconditional");
    click(&mut harness, plot.center());
    assert_eq!(harness.state().shared.cursor.position, 129);
    harness.get_by_label("Copy plot data").click();
    harness.run();
    let copied = harness.state().actions.iter().find_map(|action| match action {
        Action::Copy(text) => Some(text.clone()),
        _ => None,
    });
    let copied = copied.expect("the data is copied");
    assert_eq!(copied.lines().count(), 257);
    harness.get_by_label("Scale plot").click();
    harness.run();
    harness.get_by_label("Plot of Scale");
    assert_eq!(harness.state().shared.view.plot_tab, Axis::Scale);
}

#[test]
fn the_legend_hides_lanes_and_curves() {
    use egui::accesskit::Toggled;
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    for name in ["CFG curves", "conditional curve"] {
        let toggled = |harness: &Harness<'_, State>| {
            use egui_kittest::kittest::NodeT;
            harness.get_by_label(name).accesskit_node().toggled()
        };
        assert_eq!(toggled(&harness), Some(Toggled::True));
        harness.get_by_label(name).click();
        harness.run();
        assert_eq!(toggled(&harness), Some(Toggled::False));
    }
    assert!(harness.state().panels.plots.hidden.lane(0));
    assert!(!harness.state().panels.plots.hidden.lane(1));
    assert!(harness.state().panels.plots.hidden.series(Axis::Entropy, 1));
}

#[test]
fn the_inspector_shows_where_the_other_lane_stands() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    harness.state_mut().shared.focus.pinned = Some(DIVERGENCE);
    harness.run();
    let lanes = &harness.state().runs[0].lanes;
    let (cfg, soft) = (lanes[0].records[DIVERGENCE], lanes[1].records[DIVERGENCE]);
    assert_ne!(cfg.token, soft.token);
    let own = format!("{:>5}  rank 1, ", cfg.token);
    assert!(harness.query_by_label_contains(&own).is_some());
    let other = format!("{:>5}  below ", soft.token);
    assert!(harness.query_by_label_contains(&other).is_some());
    let asked = harness.state().actions.iter().find_map(|action| match action {
        Action::RequestSwatches(codes) if codes.contains(&soft.token) => Some(codes.clone()),
        _ => None,
    });
    assert!(asked.is_some(), "pictures of the codes are asked for");
    harness.get_by_label("Distributions of SoftCFG").click();
    harness.run();
    let own = format!("{:>5}  rank 1, ", soft.token);
    let own_lane = harness.query_by_label_contains(&own).is_some();
    assert!(own_lane, "the switch shows the other lane's distributions");
}

#[test]
fn forced_tokens_say_so() {
    let layout = TokenLayout::with_row_ends(6, 5, 1);
    let mut harness = window(state(&PAIR, layout.clone(), layout.len()), (1100.0, 900.0));
    hover(&mut harness, "CFG image", &layout, 5);
    assert!(harness.query_all_by_label("Token 5: end of row 0").count() >= 2);
    assert!(harness.query_by_label_contains("Forced by position").is_some());
}

#[test]
fn the_data_of_a_plot_is_complete_csv() {
    use softcfg_studio::ui::plots::data::csv;
    let layout = TokenLayout::with_prefix(1, 2, 2);
    let run = ui_fixture::run(1, &[Preset::None, Preset::Cfg], layout, 3);
    let csv = csv(Axis::Entropy, &run);
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        lines[0],
        [
            "step",
            "row",
            "column",
            "none entropy_unconditional",
            "none entropy_conditional",
            "none entropy_guided",
            "cfg entropy_unconditional",
            "cfg entropy_conditional",
            "cfg entropy_guided",
        ]
    );
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1][..4], ["0", "", "", ""], "a prefix token has no cell, no guidance no z_u");
    assert_eq!(lines[3][..3], ["2", "0", "1"]);
    for (step, line) in lines[1..].iter().enumerate() {
        let record = &run.lanes[1].records[step];
        assert_eq!(line[6].parse::<f32>().ok(), record.entropy_unconditional);
        assert_eq!(line[8].parse::<f32>().ok(), Some(record.entropy_guided));
    }
}
