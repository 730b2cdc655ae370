"""A page as a browser sees it."""

from __future__ import annotations

from html.parser import HTMLParser


class WebPage(HTMLParser):
    """What a browser would load and show."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.scripts, self.words, self.ids = [], [], [], []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.loaded += [found[key] for key in ("src", "href", "data") if key in found]
        self.ids += [found["id"]] if "id" in found else []
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._in = "" if tag == self._in else self._in

    def handle_data(self, data):
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())
