"""Chats: messages in turn, and the chat template of a tokenizer, with which a model was trained to read them."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mezo_lab.finetune.data.rows import one_line
from mezo_lab.finetune.tasks.prompts import Prompt, data_text, substitute, template_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ROLES = ("system", "user", "assistant")
# stands for a message while the template is filled in, so that no template reads what a chat says
_MARK = "\ue000{}\ue001"
_MARKS = re.compile("\ue000(\\d+)\ue001")


class Message(NamedTuple):
    """One turn of a chat."""

    role: str
    """One of `_ROLES`."""
    content: str
    """Its text, without spaces at its ends."""


def parse_messages(value: Any, column: str) -> tuple[Message, ...]:
    """The messages of one row, the last of which is the assistant's: the answer to learn.

    Raises: ValueError naming the column.

    >>> parse_messages([{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": " 4 "}], "messages")[1]
    Message(role='assistant', content='4')
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) < 2:
        raise ValueError(
            f"the column {column!r} must hold a list of at least two messages, got {value!r:.60}: write each as "
            '{"role": "user", "content": "…"}.'
        )
    messages = []
    for number, item in enumerate(value, 1):
        fields = item if isinstance(item, Mapping) else {}
        role = fields.get("role")
        content = fields.get("content")
        if role not in _ROLES or not isinstance(content, str):
            raise ValueError(
                f"message {number} of the column {column!r} must have a role, one of {', '.join(_ROLES)}, and a "
                f"content that is text, got {item!r:.60}: mend or drop the row."
            )
        messages.append(Message(role, content.strip()))
    if messages[-1].role != "assistant" or not messages[-1].content:
        raise ValueError(
            f"the last message of the column {column!r} must be an answer of the assistant, got {messages[-1]!r:.60}: "
            "drop the messages after the last answer."
        )
    return tuple(messages)


def transcript(chat: Sequence[Message]) -> Prompt:
    """A chat as plain text, in which chats are compared.

    >>> str(transcript((Message("user", "2 + 2?"), Message("assistant", "4"))))
    'user: 2 + 2?\\nassistant: 4\\n'
    """
    prompt = Prompt()
    for role, content in chat:
        prompt += template_text(f"{role}: ") + data_text(content) + template_text("\n")
    return prompt


def render_chat(tokenizer: "PreTrainedTokenizerBase", chat: Sequence[Message]) -> tuple[Prompt, Prompt]:
    """A chat in the template of a tokenizer, whose special tokens are the only ones: the messages are data.

    Returns: (all but the last message, up to where the assistant speaks; the last message, and what closes it).
    Raises: ValueError for a tokenizer without a template, and for messages that its template does not take.
    """
    if not tokenizer.chat_template:
        raise ValueError(
            "`messages` needs a tokenizer with a chat template, and this model has none: take one that was taught to "
            "chat, or give --prompt and --completion."
        )
    turns = [{"role": message.role, "content": _MARK.format(number)} for number, message in enumerate(chat)]
    try:
        whole = str(tokenizer.apply_chat_template(turns, tokenize=False))
        question = str(tokenizer.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=True))
    except Exception as error:  # jinja's own, or one that the template raises for an order of roles it does not know
        raise ValueError(
            f"`messages` must be in an order that the model's chat template takes ({one_line(error)}): see its "
            "chat_template, or leave out system messages."
        ) from error
    last_mark = _MARK.format(len(chat) - 1)
    if whole.startswith(question):
        answer = whole.removeprefix(question)
    else:  # some templates begin an answer otherwise when they ask for it, such as with a thought
        answer = last_mark + str(tokenizer.eos_token or "\n")
    if last_mark not in answer:
        raise ValueError(
            "`messages` needs a chat template that shows every answer, and this model's does not: take another."
        )
    contents = {str(number): message.content for number, message in enumerate(chat)}
    prompt = Prompt(substitute(question, _MARKS, contents).parts, marked=True)
    return prompt, substitute(answer.rstrip(), _MARKS, contents)
