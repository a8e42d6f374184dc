"""Graphs: the state machines that write records, and the nodes that they are made of."""

from .admission import Admission
from .asking import TeacherAsk
from .briefing import digest_for
from .budget import Budget, Quota
from .calls import Caller
from .corpus import RECORD_GRAPHS, RecordWriter, corpus_graph, record_graph
from .document import document_graph
from .drafts import draft_of
from .gate import Checker, Draft, Gate, Verdict
from .labels import expert_label
from .questions import CandidateQueue, Check, DraftSampler, Drawn, Question, QuestionSource
from .seeding import SeedPicker
from .softsrv import softsrv_graph
from .template import TEMPLATE_VARIABLES, template_graph
from .workspace import RunContext, Voice, Voices, Workspace, constant, keeps_time

__all__ = [
    "RECORD_GRAPHS",
    "TEMPLATE_VARIABLES",
    "Admission",
    "Budget",
    "Caller",
    "CandidateQueue",
    "Check",
    "Checker",
    "Draft",
    "DraftSampler",
    "Drawn",
    "Gate",
    "Question",
    "QuestionSource",
    "Quota",
    "RecordWriter",
    "RunContext",
    "SeedPicker",
    "TeacherAsk",
    "Verdict",
    "Voice",
    "Voices",
    "Workspace",
    "constant",
    "corpus_graph",
    "digest_for",
    "document_graph",
    "draft_of",
    "expert_label",
    "keeps_time",
    "record_graph",
    "softsrv_graph",
    "template_graph",
]
