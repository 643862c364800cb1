# SPDX-License-Identifier: GPL-2.0-or-later
"""Bar charts as plain SVG, legible on light and on dark pages."""

from xml.sax.saxutils import escape

WIDTH, LABELS, VALUES = 860, 210, 110
BAR, STEP, HEADING, TITLE, FOOT = 13, 20, 34, 46, 34
STYLE = """
    text { font: 13px -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", Helvetica, Arial, sans-serif; fill: #1f2328; }
    .title { font-size: 16px; font-weight: 600; }
    .heading { font-weight: 600; }
    .note { font-size: 12px; fill: #59636e; }
    .value { font-size: 12px; fill: #59636e; }
    .axis { stroke: #d1d9e0; stroke-width: 1; }
    .whisker { stroke: #1f2328; stroke-width: 1.2; fill: none; }
    .limit { fill: #afb8c1; } .other { fill: #54aeff; } .ours { fill: #bc4c00; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note, .value { fill: #9198a1; }
      .axis { stroke: #3d444d; }
      .whisker { stroke: #f0f6fc; }
      .limit { fill: #656c76; } .other { fill: #1f6feb; } .ours { fill: #f0883e; }
    }
"""


def nice(top):
    """Three or four round steps that reach just below @top."""
    size = 10 ** (len(f"{top:.0f}") - 1) if top >= 1 else 0.1
    while size * 2 > top:
        size /= 10
    for factor in (10, 5, 2.5, 2, 1, 0.5):
        if size * factor * 3 <= top:
            return size * factor
    return size / 2


def bars(title, note, groups, write):
    """@groups: [(heading, [(label, css class, spread)])]; @write: a figure as text.

    Bars reach to the median, whiskers from the least to the most."""
    top = max((v["max"] for _, rows in groups for _, _, v in rows), default=0) or 1
    room = WIDTH - LABELS - VALUES
    out, y = [], TITLE
    for heading, rows in groups:
        out.append(f'<text class="heading" x="10" y="{y + 16}">{escape(heading)}</text>')
        y += HEADING - 8
        for label, kind, v in rows:
            middle, end = y + BAR / 2, LABELS + room * v["median"] / top
            least, most = (LABELS + room * v[k] / top for k in ("min", "max"))
            out.append(f'<text x="{LABELS - 8}" y="{y + 11}" text-anchor="end">{escape(label)}</text>')
            out.append(f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{end - LABELS:.1f}" '
                       f'height="{BAR}" rx="2"/>')
            if most - least > 1:
                out.append(f'<path class="whisker" d="M{least:.1f} {middle}H{most:.1f}'
                           f'M{least:.1f} {y + 3}v{BAR - 6}M{most:.1f} {y + 3}v{BAR - 6}"/>')
            out.append(f'<text class="value" x="{max(end, most) + 6:.1f}" y="{y + 11}">'
                       f'{escape(write(v["median"]))}</text>')
            y += STEP
        y += HEADING - STEP
    step, at, axis = nice(top), 0, []
    while at <= top:
        x = LABELS + room * at / top
        axis.append(f'<path class="axis" d="M{x:.1f} {TITLE - 4}V{y}"/>')
        axis.append(f'<text class="note" x="{x:.1f}" y="{y + 14}" text-anchor="middle">'
                    f'{escape(write(at) if at else "0")}</text>')
        at += step
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + FOOT}" role="img">\n'
            f'<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
            f'<text class="title" x="10" y="22">{escape(title)}</text>\n'
            f'<text class="note" x="10" y="38">{escape(note)}</text>\n'
            + "\n".join(axis + out) + "\n</svg>\n")
