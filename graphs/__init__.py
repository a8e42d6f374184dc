"""Graphs: the state machines that write records, and the nodes that they are made of."""

from .active import active_graph
from .admission import Admission
from .approval import Answer
from .asking import TeacherAsk
from .baseline_ways import BASELINES
from .briefing import digest_for
from .budget import Budget, Quota
from .calls import Caller
from .choosing import hold, new_quota, settle
from .consultation import expert_settings, expert_variables, read_reply
from .corpus import RECORD_GRAPHS, RecordWriter, corpus_graph, record_graph
from .document import document_graph
from .document_pool import DocumentPool
from .documents import DocumentPicker
from .drafts import draft_of
from .gate import Checker, Draft, Gate, Verdict
from .instruct import instruct_graph
from .instruct_baseline import baseline_graph
from .instruct_checks import answer_share, leaked_answer, unseen_mention, without_label
from .labels import expert_label
from .node_facts import node_facts
from .pool import Pool
from .problems import read_problem
from .questions import (
    AnswerSource,
    CandidateQueue,
    Check,
    DraftSampler,
    Drawn,
    Question,
    QuestionSource,
)
from .rounds import Request, Rounds
from .screening import Opinion, Said, Scorer, Screen
from .seeding import GivenSeeds, SeedPicker
from .siblings import Siblings
from .softsrv import softsrv_graph
from .template import TEMPLATE_VARIABLES, template_graph
from .threads import EndedThreads, thread_of
from .threshold import FollowingThreshold, Limit
from .verbalised import Verbalised, draw_verbalised, parse_verbalised
from .waiting import Candidate, Choice, WaitingRoom
from .workspace import RunContext, Voice, Voices, Workspace, constant, keeps_time

__all__ = [
    "BASELINES",
    "RECORD_GRAPHS",
    "TEMPLATE_VARIABLES",
    "Admission",
    "Answer",
    "AnswerSource",
    "Budget",
    "Caller",
    "Candidate",
    "CandidateQueue",
    "Check",
    "Checker",
    "Choice",
    "DocumentPicker",
    "DocumentPool",
    "Draft",
    "DraftSampler",
    "Drawn",
    "EndedThreads",
    "FollowingThreshold",
    "Gate",
    "GivenSeeds",
    "Limit",
    "Opinion",
    "Pool",
    "Question",
    "QuestionSource",
    "Quota",
    "RecordWriter",
    "Request",
    "Rounds",
    "RunContext",
    "Said",
    "Scorer",
    "Screen",
    "SeedPicker",
    "Siblings",
    "TeacherAsk",
    "Verbalised",
    "Verdict",
    "Voice",
    "Voices",
    "WaitingRoom",
    "Workspace",
    "active_graph",
    "answer_share",
    "baseline_graph",
    "constant",
    "corpus_graph",
    "digest_for",
    "document_graph",
    "draft_of",
    "draw_verbalised",
    "expert_label",
    "expert_settings",
    "expert_variables",
    "hold",
    "instruct_graph",
    "keeps_time",
    "leaked_answer",
    "new_quota",
    "node_facts",
    "parse_verbalised",
    "read_problem",
    "read_reply",
    "record_graph",
    "settle",
    "softsrv_graph",
    "template_graph",
    "thread_of",
    "unseen_mention",
    "without_label",
]
