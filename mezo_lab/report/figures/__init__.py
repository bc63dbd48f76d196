"""Figures of verdicts, and formulas as SVG: result objects are drawn, nothing is computed. Matplotlib loads on drawing.

Every figure says the same in the same way: theory is a black dashed line, the sampled mean a marker with bars of five
standard errors (a bar that misses the line is a refuted claim), a decoy a grey dotted line.
"""

from mezo_lab.report.figures import style
from mezo_lab.report.figures.accuracy import MethodAccuracy, accuracy_alt_text, accuracy_figure
from mezo_lab.report.figures.accuracy_steps import (
    StepProbe,
    ZeroShare,
    steps_alt_text,
    steps_figure,
    zeros_alt_text,
    zeros_figure,
)
from mezo_lab.report.figures.claim import alt_text, claim_figure
from mezo_lab.report.figures.comparison import comparison_alt_text, comparison_figure
from mezo_lab.report.figures.cost import StepCost, step_alt_text, step_figure
from mezo_lab.report.figures.curvature import (
    slopes_alt_text,
    slopes_figure,
    spectrum_alt_text,
    spectrum_figure,
    valley_alt_text,
    valley_figure,
)
from mezo_lab.report.figures.defects import defects_alt_text, defects_figure
from mezo_lab.report.figures.descent import rules_alt_text, rules_figure
from mezo_lab.report.figures.divergence import RateRun, divergence_alt_text, divergence_figure
from mezo_lab.report.figures.edge import LossPath, loss_alt_text, loss_figure
from mezo_lab.report.figures.edge_in_training import EdgeRun, edge_training_alt_text, edge_training_figure
from mezo_lab.report.figures.formula import formula_svg
from mezo_lab.report.figures.gains import StepGain, gains_alt_text, gains_figure
from mezo_lab.report.figures.growth import GrowthLine, GrowthPanel, GrowthSeries, growth_alt_text, growth_figure
from mezo_lab.report.figures.landscape import landscape_alt_text, landscape_figure
from mezo_lab.report.figures.laws import clouds_alt_text, clouds_figure, matrices_alt_text, matrices_figure
from mezo_lab.report.figures.lengths import (
    ProbeLengths,
    length_scatter,
    length_scatter_alt_text,
    lengths_alt_text,
    lengths_figure,
)
from mezo_lab.report.figures.memory import MemoryBar, memory_alt_text, memory_figure
from mezo_lab.report.figures.pairings import pairings_alt_text, pairings_figure
from mezo_lab.report.figures.price import TrainingPrice, price_alt_text, price_figure
from mezo_lab.report.figures.processes import wire_alt_text, wire_figure
from mezo_lab.report.figures.promises import PromisePanel, promises_alt_text, promises_figure
from mezo_lab.report.figures.scan import scan_alt_text, scan_figure
from mezo_lab.report.figures.slide import as_slide
from mezo_lab.report.figures.stages import RunStages, stages_alt_text, stages_figure
from mezo_lab.report.figures.tax import ScalingLine, ScalingSeries, scaling_alt_text, scaling_figure
from mezo_lab.report.figures.training import TrainingCurve, training_alt_text, training_figure
from mezo_lab.report.figures.walk import walk_alt_text, walk_figure
from mezo_lab.report.figures.wandering import (
    TransferRow,
    WalkPoint,
    transfer_alt_text,
    transfer_figure,
    wandering_alt_text,
    wandering_figure,
)

__all__ = [
    "EdgeRun",
    "GrowthLine",
    "GrowthPanel",
    "GrowthSeries",
    "LossPath",
    "MemoryBar",
    "MethodAccuracy",
    "ProbeLengths",
    "PromisePanel",
    "RateRun",
    "RunStages",
    "ScalingLine",
    "ScalingSeries",
    "StepCost",
    "StepGain",
    "StepProbe",
    "TrainingCurve",
    "TrainingPrice",
    "TransferRow",
    "WalkPoint",
    "ZeroShare",
    "accuracy_alt_text",
    "accuracy_figure",
    "alt_text",
    "as_slide",
    "claim_figure",
    "clouds_alt_text",
    "clouds_figure",
    "comparison_alt_text",
    "comparison_figure",
    "defects_alt_text",
    "defects_figure",
    "divergence_alt_text",
    "divergence_figure",
    "edge_training_alt_text",
    "edge_training_figure",
    "formula_svg",
    "gains_alt_text",
    "gains_figure",
    "growth_alt_text",
    "growth_figure",
    "landscape_alt_text",
    "landscape_figure",
    "length_scatter",
    "length_scatter_alt_text",
    "lengths_alt_text",
    "lengths_figure",
    "loss_alt_text",
    "loss_figure",
    "matrices_alt_text",
    "matrices_figure",
    "memory_alt_text",
    "memory_figure",
    "pairings_alt_text",
    "pairings_figure",
    "price_alt_text",
    "price_figure",
    "promises_alt_text",
    "promises_figure",
    "rules_alt_text",
    "rules_figure",
    "scaling_alt_text",
    "scaling_figure",
    "scan_alt_text",
    "scan_figure",
    "slopes_alt_text",
    "slopes_figure",
    "spectrum_alt_text",
    "spectrum_figure",
    "stages_alt_text",
    "stages_figure",
    "step_alt_text",
    "step_figure",
    "steps_alt_text",
    "steps_figure",
    "style",
    "training_alt_text",
    "training_figure",
    "transfer_alt_text",
    "transfer_figure",
    "valley_alt_text",
    "valley_figure",
    "walk_alt_text",
    "walk_figure",
    "wandering_alt_text",
    "wandering_figure",
    "wire_alt_text",
    "wire_figure",
    "zeros_alt_text",
    "zeros_figure",
]
