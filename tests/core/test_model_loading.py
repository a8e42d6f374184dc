"""Models loaded from several threads at once come out whole, and so do those loaded afterwards."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from metasynth.lm.load import load_lm
from tests.tiny_lm import tiny_llama, tiny_tokenizer


def tied(folder: Path) -> bool:
    model: Any = load_lm(folder, device="cpu").model
    return model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_many_at_once_leave_transformers_as_it_was(tmp_path: Path) -> None:
    from transformers import PreTrainedModel

    tokenizer = tiny_tokenizer()
    tiny_llama(tokenizer, tie_word_embeddings=True).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    before = PreTrainedModel.tie_weights, PreTrainedModel.init_weights
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(tied, [tmp_path] * 12))
    assert (PreTrainedModel.tie_weights, PreTrainedModel.init_weights) == before
    assert tied(tmp_path)
