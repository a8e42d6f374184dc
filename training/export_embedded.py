"""Write the newest checkpoint of a run as a model folder, while the run goes on.

    python -m training.export_embedded --tokenizer training/work/tokenizer \
        --checkpoint training/work/run/checkpoint.pt --out agents/models/embedded
"""

import argparse
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from .train_embedded import TEMPERATURE_SCALE, export, new_model, size_of


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Export a checkpoint.")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--temperature-scale", type=float, default=TEMPERATURE_SCALE)
    args = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.tokenizer)
    state = torch.load(args.checkpoint, weights_only=True)
    model = new_model(tokenizer, size_of(state["model"]), seed=0)
    model.load_state_dict(state["model"])
    export(model, tokenizer, args.out, scale=args.temperature_scale)
    print(f"step {state['step']}, {state['tokens']} tokens, exported to {args.out}")


if __name__ == "__main__":
    main()
