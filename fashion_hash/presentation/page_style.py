"""The style of a page: light and dark, wide and narrow, on paper; every text has a contrast of 4.5:1 or more."""

STYLE = """
:root { --paper: #faf8f5; --card: #ffffff; --ink: #26221f; --quiet: #6b635c; --line: #e4ded6; --soft: #f1ece5;
  --taste: #a6543a; --harmony: #3f6d60; --request: #43588a; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #191715; --card: #23201d; --ink: #f2ede7; --quiet: #b0a79e; --line: #38332e; --soft: #38332e;
    --taste: #e08a6d; --harmony: #7fb5a5; --request: #9db2e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 28px 32px 48px; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Helvetica Neue", Arial, "Hiragino Sans", "Noto Sans CJK JP", sans-serif; }
h1, h2 { margin: 0; font-family: "Iowan Old Style", Palatino, Georgia, "Noto Serif CJK JP", serif; font-weight: 500;
  letter-spacing: -.01em; overflow-wrap: anywhere; }
h1 { font-size: 18px; color: var(--quiet); }
h2 { font-size: 32px; line-height: 1.2; }
h3 { margin: 24px 0 12px; font-size: 16px; font-weight: 600; }
h3 .note { margin-left: 8px; font-weight: 400; color: var(--quiet); }
p { margin: 0; }
section { padding: 12px 0 32px; }
section + section { padding-top: 32px; border-top: 1px solid var(--line); }
.about, .line, footer p { color: var(--quiet); overflow-wrap: anywhere; }
footer p { font-size: 14px; }
.liked { display: flex; gap: 16px; overflow-x: auto; padding: 2px 2px 8px; border-radius: 6px; }
.liked .outfit { display: flex; flex: none; gap: 4px; }
.liked .tile { width: 80px; height: 80px; padding: 4px; font-size: 11px; line-height: 1.25; }
.liked .tile small { display: none; }
.liked .tile span { display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 5; }
ol, ul { margin: 0; padding: 0; list-style: none; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 24px; }
ol.items { grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); }
ol > li { display: flex; flex-direction: column; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden; break-inside: avoid; }
ol .outfit { display: grid; gap: 6px; padding: 6px; aspect-ratio: 1.12; grid-auto-rows: minmax(0, 1fr);
  grid-template-columns: minmax(0, 1.5fr) minmax(0, 1fr); }
.outfit.of-1 { grid-template-columns: minmax(0, 1fr); }
.outfit.of-2 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.outfit.of-3 .tile:first-child { grid-row: 1 / 3; }
.outfit.of-4 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.outfit.of-5 .tile:first-child { grid-row: 1 / 3; }
.outfit.of-5, .outfit.of-6, .outfit.of-7, .outfit.of-8 { grid-template-columns: repeat(3, minmax(0, 1fr)); }
.tile { display: flex; flex-direction: column; align-items: center; justify-content: center; padding: 6px;
  overflow: hidden; border-radius: 7px; color: #26221f; font-size: 14px; line-height: 1.3; text-align: center;
  overflow-wrap: anywhere; print-color-adjust: exact; }
.tile small { color: #4d4640; }
.tile.pictured { padding: 2%; background: #fff; }
.tile img { display: block; width: 100%; height: 100%; object-fit: contain; }
.tile.anchor { outline: 3px solid var(--request); outline-offset: -3px; }
.words { display: flex; flex: 1; flex-direction: column; gap: 4px; padding: 10px 16px 14px; }
.why { margin-bottom: 6px; overflow-wrap: anywhere; }
.why .taste { border-bottom: 2px solid var(--taste); }
.why .harmony { border-bottom: 2px solid var(--harmony); }
.term { display: grid; grid-template-columns: 104px 1fr 74px; gap: 10px; align-items: center; font-size: 14px;
  color: var(--quiet); }
.term span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.bar { height: 6px; border-radius: 3px; background: var(--soft); overflow: hidden; print-color-adjust: exact; }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--quiet); print-color-adjust: exact; }
.bar .taste { background: var(--taste); }
.bar .harmony { background: var(--harmony); }
.bar .request { background: var(--request); }
.pieces { margin-top: 8px; font-size: 14px; }
.pieces li { padding: 4px 0; border-top: 1px solid var(--line); }
.pieces span { display: block; overflow-wrap: anywhere; }
p.title { overflow-wrap: anywhere; }
.foot { display: flex; gap: 12px; margin-top: auto; padding-top: 8px; color: var(--quiet); }
.price { margin-left: auto; color: var(--ink); font-variant-numeric: tabular-nums; }
details { font-size: 14px; color: var(--quiet); overflow-wrap: anywhere; }
summary { cursor: pointer; padding: 4px 0; }
summary:focus-visible, .liked:focus-visible { outline: 3px solid var(--request); outline-offset: 2px; }
@media (max-width: 760px) {
  body { padding: 12px 16px 32px; }
  h2 { font-size: 24px; }
  h3 { margin: 12px 0 8px; }
  section { padding: 4px 0 24px; }
  .about { font-size: 14px; }
  h3 .note { display: block; margin: 0; font-size: 14px; }
  .liked { gap: 10px; }
  .liked .tile { width: 64px; height: 64px; font-size: 10px; padding: 2px; }
  .liked .tile span { -webkit-line-clamp: 4; }
  ol { grid-template-columns: minmax(0, 1fr); }
  ol.items { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 12px; }
  summary { padding: 11px 0; } }
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --quiet: #4d4640; --line: #ccc; --soft: #eee;
    --taste: #a6543a; --harmony: #3f6d60; --request: #43588a; }
  body { max-width: none; padding: 0; font-size: 12px; }
  details { display: none; }
  .liked { flex-wrap: wrap; overflow: visible; }
  ol { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  h2, h3 { break-after: avoid; } }
"""
