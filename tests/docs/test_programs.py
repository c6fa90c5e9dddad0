# SPDX-License-Identifier: MIT
"""The programs in the manual and in the documents compile as they stand, without a
warning, and print what they say that they print. Their other blocks of C compile in a frame.

    test_programs.py TOP LIBRARY CC CXX [FLAG...]

A program is a block of C or C++ with a main: in a document between ``` lines, in the
header indented in its opening comment. One that ends in a comment `// prints ...`, or
`/* prints ... */`, prints that, line for line, commas standing for the ends of lines.
A block without a main needs a frame of FRAMES, which declares what it takes for granted.
"""
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP, LIBRARY, CC, CXX, *FLAGS = sys.argv[1:]
del sys.argv[1:]
TOP = Path(TOP)


# Of each document's blocks without a main, in order: what stands around it. FIRST is its
# first paragraph, REST the others, ALL both.
FRAMES = {
    "README.md": ["""
void close_connection(void *connection);
FIRST
void frame(tw_loop *loop, struct connection *c);
void frame(tw_loop *loop, struct connection *c) {
REST
}"""],
    "RECIPES.md": ["""
#include <stdbool.h>
#include <sys/epoll.h>
void handle(struct epoll_event *event);
void frame(int epoll, struct epoll_event *events);
void frame(int epoll, struct epoll_event *events) {
ALL
}""", """
void report(void *arg);
void frame(tw_loop *loop, void *arg);
void frame(tw_loop *loop, void *arg) {
ALL
}""", """
#include <poll.h>
void frame(tw_loop *loop);
void frame(tw_loop *loop) {
ALL
}"""],
    "REPLACING_TIMERS.md": ["""
#include <stdint.h>
#define NGX_OK 0
#define NGX_ERROR -1
typedef intptr_t ngx_int_t;
typedef uintptr_t ngx_msec_t;
typedef struct ngx_log_s ngx_log_t;
typedef struct ngx_event_s ngx_event_t;
struct ngx_event_s {
    void (*handler)(ngx_event_t *ev);
    unsigned timedout : 1, timer_set : 1;
    tw_timer timer;
};
extern volatile ngx_msec_t ngx_current_msec;
ALL"""],
    "TRACES.md": ["""
#include <stdio.h>
FIRST
void frame(tw_loop *loop);
void frame(tw_loop *loop) {
REST
}"""],
}


def blocks(path):
    return re.findall(r"^```(c|cpp)\n(.*?)^```$", path.read_text(), re.M | re.S)


def is_program(text):
    return re.search(r"^int main\(", text, re.M)


def in_document(path):
    return [(language, text) for language, text in blocks(path) if is_program(text)]


def documents():
    return sorted([TOP / "README.md", *(TOP / "docs").glob("*.md")])


def in_header(path):
    """The indented blocks of the opening comment."""
    comment = re.search(r"^/\*\n.*?\*/", path.read_text(), re.M | re.S).group()
    lines = [line[3:] for line in comment.split("\n")]
    for block in re.findall(r"(?:^    .*\n|^\n)+", "\n".join(lines) + "\n", re.M):
        text = "\n".join(line[4:] for line in block.split("\n")).strip("\n") + "\n"
        if is_program(text):
            yield "c", text


def programs():
    yield from ((TOP / "include/tickwheel.h", *found) for found in
                in_header(TOP / "include/tickwheel.h"))
    for path in documents():
        yield from ((path, *found) for found in in_document(path))


class Programs(unittest.TestCase):
    def test_the_documents_have_programs(self):
        files = {path.name for path, _, _ in programs()}
        self.assertLessEqual({"tickwheel.h", "README.md"}, files)

    def test_they_compile_and_print_what_they_say(self):
        for number, (path, language, text) in enumerate(programs()):
            with self.subTest(file=path.name, number=number):
                with tempfile.TemporaryDirectory() as folder:
                    self.run_program(Path(folder), language, text)

    def run_program(self, folder, language, text):
        source, program = folder / f"program.{language}", folder / "program"
        source.write_text(text)
        self.compile(language, text, source, LIBRARY, "-pthread", "-o", program)
        ran = subprocess.run([program], capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        said = re.search(r"(?://|/\*) prints (.*?)(?: \*/)?$", text, re.M)
        if said:
            self.assertEqual(ran.stdout.split("\n")[:-1], said.group(1).split(", "))

    def compile(self, language, text, *arguments):
        compiler = [CC, "-std=c11"] if language == "c" else [CXX, "-std=c++11"]
        built = subprocess.run([*compiler, *FLAGS, "-Wall", "-Wextra", "-Werror",
                                "-I", TOP / "include", *arguments], capture_output=True, text=True)
        self.assertEqual(built.returncode, 0, built.stderr + text)

    def test_what_is_no_program_compiles_in_a_frame(self):
        framed = 0
        for path in documents():
            texts = [text for _, text in blocks(path) if not is_program(text)]
            frames = FRAMES.get(path.name, [])
            self.assertEqual(len(texts), len(frames), f"{path.name}: as many blocks as frames")
            for text, frame in zip(texts, frames):
                framed += 1
                first, _, rest = text.replace("\n...\n", "\n").partition("\n\n")
                whole = "#include <tickwheel.h>\n" + frame.replace("ALL", text).replace(
                    "FIRST", first).replace("REST", rest)
                with self.subTest(file=path.name, number=framed):
                    with tempfile.TemporaryDirectory() as folder:
                        source = Path(folder, "block.c")
                        source.write_text(whole)
                        self.compile("c", whole, "-fsyntax-only", "-Wno-unused-parameter", source)
        self.assertEqual(framed, sum(map(len, FRAMES.values())))

    def test_calls_within_a_sentence_compile(self):
        """`tw_cancel(loop, h)`: as many arguments as there are, of their types."""
        calls = []
        for path in documents():
            text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
            for span in re.findall(r"`([^`]+)`", text):
                calls += [(path.name, call) for call in
                          re.findall(r"tw_\w+\([^()]*\)", " ".join(span.split()))
                          if "..." not in call and "()" not in call]
        self.assertGreater(len(calls), 40)
        variables = ", ".join((
            "tw_loop *loop", "tw_handle h", "tw_timer *t", "tw_callback *cb", "tw_callback *f",
            "void *arg", "tw_context *ctx", "tw_post *p", "double delay", "double when",
            "double seconds", "uint64_t ms", "uint64_t ns", "uint64_t repeat", "uint64_t now_ns",
            "uint64_t delay_ns", "size_t n", "int worker_connections", "tw_loop *ngx_wheel"))
        lines = [f"#line 1 \"{name}: {call}\"\n    (void){call};" for name, call in calls]
        whole = "\n".join(["#include <poll.h>", "#include <tickwheel.h>", f"void frame({variables});",
                           f"void frame({variables})", "{", *lines, "}"])
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "calls.c")
            source.write_text(whole)
            self.compile("c", "", "-fsyntax-only", "-Wno-unused-parameter", source)


if __name__ == "__main__":
    unittest.main()
