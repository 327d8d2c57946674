// Texts that become something else where a page takes text for markup, for a script or for an address.

const RUN = "window.__ran=1";

export const HOSTILE: string[] = [
  `<script>${RUN}</script>`,
  `<ScRiPt>${RUN}</sCrIpT>`,
  `<script src=//127.0.0.1:1/x.js></script>`,
  `<script type=module>${RUN}</script>`,
  `</script><script>${RUN}</script>`,
  `</title><script>${RUN}</script>`,
  `</textarea><script>${RUN}</script>`,
  `</style><script>${RUN}</script>`,
  `<!--><script>${RUN}</script>-->`,
  `--><script>${RUN}</script>`,
  `<![CDATA[<script>${RUN}</script>]]>`,
  `<img src=x onerror=${RUN}>`,
  `<img src=x onerror="${RUN}">`,
  `<img/src=x/onerror=${RUN}>`,
  `"><img src=x onerror=${RUN}>`,
  `'><img src=x onerror=${RUN}>`,
  `<svg onload=${RUN}>`,
  `<svg/onload=${RUN}>`,
  `<svg><script>${RUN}</script></svg>`,
  `<svg><animate onbegin=${RUN} attributeName=x dur=1s>`,
  `<math><mi//xlink:href="data:x,<script>${RUN}</script>">`,
  `<body onload=${RUN}>`,
  `<iframe src="javascript:parent.${RUN}"></iframe>`,
  `<iframe srcdoc="<script>parent.${RUN}</script>"></iframe>`,
  `<object data="javascript:${RUN}"></object>`,
  `<embed src="javascript:${RUN}">`,
  `<a href="javascript:${RUN}">x</a>`,
  `<a href="JaVaScRiPt:${RUN}">x</a>`,
  `<a href="data:text/html,<script>${RUN}</script>">x</a>`,
  `<form action="javascript:${RUN}"><input type=submit autofocus></form>`,
  `<input onfocus=${RUN} autofocus>`,
  `<details open ontoggle=${RUN}>`,
  `<video><source onerror=${RUN}></video>`,
  `<audio src=x onerror=${RUN}>`,
  `<marquee onstart=${RUN}>`,
  `<base href="//127.0.0.1:1/">`,
  `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`,
  `<link rel=stylesheet href="//127.0.0.1:1/x.css">`,
  `<style>@import '//127.0.0.1:1/x.css';</style>`,
  `<style>*{display:none}</style>`,
  `<template><script>${RUN}</script></template>`,
  `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
  `<x onclick=${RUN} style=position:fixed;inset:0>x</x>`,
  `javascript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
  `" onmouseover="${RUN}`,
  `' onmouseover='${RUN}`,
  `" autofocus onfocus="${RUN}" x="`,
  "${window.__ran=1}",
  "{{constructor.constructor('window.__ran=1')()}}",
  `{"__proto__":{"x":1}}`,
  "__proto__",
  "constructor",
  `\\u003cscript\\u003e${RUN}\\u003c/script\\u003e`,
  `&lt;script&gt;${RUN}&lt;/script&gt;`,
  `%3Cscript%3E${RUN}%3C/script%3E`,
  `＜script＞${RUN}＜/script＞`,
  `\u202e<script>${RUN}</script>`,
  `\u2028${RUN}\u2029`,
  `'; DROP TABLE builds; --`,
  `../../../../etc/passwd`,
  `a\u0300\u0300\u0300\u0300\u0300\u0300 zalgo <b>bold</b>`,
];

/** Every element that pages of kiln are made of. */
const KNOWN = new Set(
  "html head meta title link script body div a header nav img main h1 h2 h3 p span strong button table thead tbody tr th td time code pre kbd input select option textarea label fieldset legend form small details summary dl dt dd section search meter mark br dialog figure figcaption canvas noscript".split(
    " ",
  ),
);

/** What of a page is not of kiln: elements, event handlers, addresses that run. */
export function foreign(known: string[]): string[] {
  const found: string[] = [];
  const elements = new Set(known);
  for (const element of document.querySelectorAll("*")) {
    const tag = element.tagName.toLowerCase();
    if (!elements.has(tag)) found.push(`<${tag}>`);
    if (tag === "script" && !/^\/(assets\/|theme\.js)/.test(element.getAttribute("src") ?? ""))
      found.push("a script");
    if (tag === "img" && element.getAttribute("src") !== "/kiln.svg") found.push("an image");
    if (tag === "link") {
      const { origin, pathname } = new URL((element as HTMLLinkElement).href);
      if (origin !== location.origin || !/^\/(assets\/|kiln\.svg)/.test(pathname)) found.push("a link");
    }
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on")) found.push(`${tag} ${name}`);
      if (/^(href|src|action|formaction)$/.test(name) && /^\s*(javascript|data|vbscript):/i.test(value))
        found.push(`${tag} ${name}=${value}`);
    }
  }
  return found;
}

export const known = [...KNOWN];
