// SPDX-License-Identifier: Apache-2.0
// Writes url_table.txt: what the standard's reference implementation makes of a link on a page.
//     npm install whatwg-url && node url_table.js > url_table.txt
// One case a line: base, link, answer, tab separated; bytes outside printable ASCII and '\' as \xNN.
// The answer is the URL without fragment, "-" for no URL, "!" for a scheme that is not fetched.
'use strict';
const { URL } = require('whatwg-url');
const bases = [
  'http://example.org/', 'http://example.org/a/b/c.html', 'https://example.org:8443/a/b/?q=1', 'http://127.0.0.1:18081/library/os.html',
  'http://[::1]:80/x/y', 'https://xn--mnchen-3ya.de/stra%C3%9Fe/', 'http://example.org/a//b/../c;p?x#f', 'http://user:pw@example.org/u/v',
  'http://example.org', 'https://example.org/a/b?x=http://y/z', 'http://example.org/%7Efoo/%2e%2e/bar',
];
const links = [
  '', '#', '#x', '?', '?q', '?q#f', '.', '..', './', '../', '../..', '../../..', '../../../../x', 'x', './x', '../x', 'x/', 'x/..', 'x/../y', 'x/./y', 'x//y',
  'x//../y', '/', '//', '///', '/x', '/x/../..', '/./x', '/../x', '//other.org', '//other.org/x', '//other.org:8080/x?y#z', '/x?a=b&c=d;e', '/x?%zz', '/%zz',
  '%2e%2e/x', '%2E/x', '.%2e/x', '..%2fx', 'x%2e', 'x y', ' x ', '\tx\n', 'x\ty', 'x\ny', 'x\\y', '\\\\other\\x', '/\\other', 'ä', '/ä?ä#ä', '?ä', 'x?a b', "x?a'b", 'x?a"b',
  "x'y", 'x"y', 'x<y>', 'x`y', 'x{y}', 'x|y', 'x^y', 'x[y]', 'x~y', 'x!y', 'x$y', 'x&y', 'x(y)', 'x*y', 'x+y', 'x,y', 'x;y', 'x=y', 'x@y', 'x:y', '/x:y', './x:y', '..x', '...', '.x', 'x.', 'x..',
  'http:', 'http:x', 'http:/x', 'http://', 'http:///x', 'https:x', 'HTTP://EXAMPLE.ORG/X', 'http://EXAMPLE.org', 'http://example.org:80/', 'https://example.org:443/x', 'http://example.org:443/',
  'http://example.org:0/', 'http://example.org:65535/', 'http://example.org:65536/', 'http://example.org:/', 'http://example.org:x/', 'http://ex ample.org/', 'http://exa%41mple.org/', 'http://ex%ample/',
  'http://0x7f.1/', 'http://127.1/', 'http://2130706433/', 'http://256.1.1.1/', 'http://1.2.3.4.5/', 'http://1.2.3.08/', 'http://example.0/', 'http://[::1]/', 'http://[::ffff:1.2.3.4]/', 'http://[1::2::3]/', 'http://[::1',
  'http://münchen.de/straße', 'http://faß.de/', 'http://xn--mnchen-3ya.de/', 'http://xn--a/', 'http://日本語.jp/', 'http://a_b.c/', 'http://a..b/', 'http://.a/', 'http://a./', 'http://-a-/', 'http://a\u00adb/',
  'http://user@host/', 'http://user:pw@host/x', 'http://@host/', 'http://:@host/', 'http://a@b@c/', 'ftp://x/y', 'javascript:void(0)', 'JavaScript:x', 'data:text/html,x', 'mailto:a@b', 'tel:1', 'file:///x', 'ws://x/', 'blob:http://x/y',
  'about:blank', 'x:', '1:x', 'a+b:c', '://x', ':x', ':', '?x:y', '#x:y', '/x/y/z?u=http://v/w#k', 'index.html#section-1', '../library/functions.html#print', 'genindex-_.html', '_sources/x.rst.txt', 'a/b/c/../../d/./e/..', 'a?b?c', 'a#b#c', 'a?b#c?d',
  'x\u0000y', 'x\u007fy', '\u00a0x', 'x\u2028y', '😀', 'http://😀.example/', 'x%', 'x%a', 'x%ag', 'x%41', '%', '/..//x', '/.//x', '//..', '/x/..?q', '/x/.?q', 'x/..#f', '..?q', '.?q', '..#f',
  'http://example.org/a/../b', 'http://example.org/a b', 'http://example.org?x', 'http://example.org#x', 'http://example.org/?x', 'https://example.org:8443/p/../q?r#s', 'http://127.0.0.1:18081/a/./b', 'http://127.0.0.1:18081', 'http://127.0.0.1:018081/x',
  // hosts that look like numbers, names in "xn--" that are none, credentials of many parts
  'http://4294967296x/', 'http://4294967295/', 'http://4294967296/', 'http://0x/', 'http://0x.1/', 'http://1.0x', 'http://a.0xg/', 'http://a.08/', 'http://08.1.1.1/', 'http://1..1/', 'http://1.2.3.4./', 'http://1.2.3.4../',
  'http://0xffffffff/', 'http://0x100000000/', 'http://1.2.65536/', 'http://1.16777216/', 'http://0377.0377.0377.0377/', 'http://0400.1.1.1/', 'http://99999999999999999999/', 'http://\uff11\uff12.1/', 'http://1%2e2.3.4/', 'http://a.1%32/',
  'http://xn--/', 'http://xn--8i7caa.famitei.net/', 'http://XN--A/', 'http://xn--board-ngr.palungjit.org/', 'http://xn--a.\u65e5\u672c/', 'http://\u064aa/', 'http://xn--a-yoc/', 'http://\u200d.example/', 'http://a\u094d\u200db/',
  'http://\u0300a/', 'http://a.\u0300b/', 'http://\u05d0.com/', 'http://\u05d0a.com/', 'http://\uff0f/', 'http://\uff05/', 'http://%e3%80%82/', 'http://a%E3%80%82b/', 'http://\u00ad/', 'http://%C3a/', 'http://%ff/', 'http://%00/', 'http://a%2fb/', 'http://a%zz/',
  'http://a%3Ab/', 'http://a%40b/', 'http://fa%C3%9F.de/', 'http://FA%c3%9f.DE/', 'http://!"$&\'()*+,-.;=_`{}~/', 'http://a^b/', 'http://a|b/', 'http://a[b]/', 'http://[::1]x/', 'http://[::1/]', 'http://[1:2:3:4:5:6:7:8]:90/', 'http://[::1.2.3.4]', 'http://[::%31]/', 'http://[]/', 'http://[::1]:/',
  'http://a:b:c@h/', 'http://a:b@c:d@h/', 'http://@a:b@h/', 'http://:b@h/', 'http://a:@h/', 'http://:@h/', 'http://@@h/', 'http://a@/', 'http://a:b@:80/', 'http://a@h:/', 'http://a b@h/', 'http://\u00e4:\u00f6@h/', 'http://a/b@c/', 'http://a?b@c/', 'http://%41@h/', "http://'^`{}|[]~;=@h/",
  'http://h:00080/', 'http://h:8 0/', 'http://h:+80/', 'http://h:65535/', 'http://h:4294967376/', 'https://h:0443/', 'http://h:80:80/', 'http://:80/', 'http://a:b:80/',
];
// Random links out of pieces: xorshift, so that the table is the same every time.
let seed = 88172645463325252n;
function below(n) {
  seed ^= (seed << 13n) & 0xffffffffffffffffn; seed ^= seed >> 7n; seed ^= (seed << 17n) & 0xffffffffffffffffn; seed &= 0xffffffffffffffffn;
  return Number(seed % BigInt(n));
}
const pieces = ['a', 'B', '1', '-', '_', '.', '..', '/', '//', '?', '#', '%', '%2e', '%2F', '%41', ':', '@', ';', '=', '&', '+', ',', '!', '~', '*', '(', ')', '\\', ' ', '\t', '"', "'", '<', '|', '[', 'ü',
  'http:', 'http://', 'https://', 'http://example.org', 'http://127.0.0.1:18081/', 'html', 'index', './', '../', ':80', '$', '^', '{', '`', 'u:p@', '0x', 'xn--', '%C3', '\u3002'];
for (let i = 0; i < 6000; i++) {
  let link = '';
  for (let n = 1 + below(7); n > 0; n--) link += pieces[below(pieces.length)];
  links.push(link);
}
function escaped(text) {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8'))
    out += byte > 0x20 && byte < 0x7f && byte !== 0x5c ? String.fromCharCode(byte) : '\\x' + byte.toString(16).padStart(2, '0');
  return out;
}
links.forEach((link, i) => {
  for (let k = 0; k < (i < 330 ? bases.length : 1); k++) {
    const base = bases[i < 330 ? k : i % bases.length];
    let answer = '-';
    try {
      const url = new URL(link, base);
      url.hash = '';
      answer = /^https?:$/.test(url.protocol) ? url.href : '!';
    } catch { /* no URL */ }
    process.stdout.write([base, link, answer].map(escaped).join('\t') + '\n');
  }
});
