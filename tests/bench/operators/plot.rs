//! Plots, as SVG.

use super::Error;
use plotters::prelude::*;
use std::path::Path;

/// A line through measured points.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

impl Line {
    pub fn new(name: &'static str) -> Self {
        Self { name, points: Vec::new() }
    }
}

/// Lines over one axis. Both axes begin at zero.
#[derive(Clone, Debug)]
pub struct Plot {
    pub title: &'static str,
    pub x: &'static str,
    pub y: &'static str,
    pub lines: Vec<Line>,
}

impl Plot {
    pub fn draw(&self, path: &Path) -> Result<(), Error> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(1.0, f64::max) * 1.05;
        let area = SVGBackend::new(path, (720, 400)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area);
        let chart = chart.caption(self.title, ("sans-serif", 18)).margin(12);
        let mut chart = chart
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..most(|(x, _)| *x), 0.0..most(|(_, y)| *y))?;
        chart.configure_mesh().light_line_style(TRANSPARENT).x_desc(self.x).y_desc(self.y).draw()?;
        for (at, line) in self.lines.iter().enumerate() {
            let color = Palette99::pick(at).to_rgba();
            let series = LineSeries::new(line.points.iter().copied(), color.stroke_width(2)).point_size(3);
            let key = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2));
            chart.draw_series(series)?.label(line.name).legend(key);
        }
        let mut labels = chart.configure_series_labels();
        labels.position(SeriesLabelPosition::UpperLeft).border_style(BLACK.mix(0.3)).draw()?;
        area.present()?;
        Ok(())
    }
}
