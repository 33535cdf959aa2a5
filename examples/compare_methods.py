"""Which way to combine tasks is better, and is the difference more than chance? `python examples/compare_methods.py`.

Two systems, two seeds each, a tenth of an epoch: enough to show how, not to find out. Two minutes on two cores.
"""

from __future__ import annotations

from pathlib import Path

from minbert import compare, load_recipe, train_recipe


def main(folder: Path = Path("runs/compare-methods"), encoder: str = "minilm") -> None:
    """Train summed losses and PCGrad with two seeds each in ``folder``, and print their scores with intervals."""
    runs = []
    for combination in ("sum", "pcgrad"):
        for seed in (1, 2):
            changes = {
                "encoder.name": encoder,
                "seed": seed,
                "combination": combination,
                "schedule.method": {"name": "round_robin", "epoch": 3},  # three steps; leave out for a whole epoch
                "training.epochs": 1,
            }
            runs.append(folder / f"{combination}-{seed}")
            train_recipe(load_recipe("quickstart", changes), runs[-1], resume=True)

    for score in compare(runs).scores:  # runs that differ in their seed alone are one system
        line = f"{score.system:12} {score.task:12} {score.score:.3f} ({score.low:.3f} to {score.high:.3f})"
        if score.to_baseline is not None:
            difference = score.to_baseline
            verdict = {1: "better", 0: "no difference shown", -1: "worse"}[difference.shown]
            line += f"  {difference.difference:+.3f}, p {difference.p_holm:.2f}: {verdict}"
        print(line)


if __name__ == "__main__":
    main()
