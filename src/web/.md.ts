import { markdownToBlocks as m } from '/work/main/src/web/markdown/to-html.ts'
for (const t of ['<img src=x onerror=alert(1)>', '# hi\n\n<script>alert(1)</script>\n\ntext <b>**x**</b>', '[x](javascript:alert(1)) [y](data:text/html,1) [z](https://a.b/c?d=1&e="2) ![p](http://q/r.png)', '<https://ok.example> www.foo.com a@b.co', '- [x] done\n- [ ] no\n\n|a|b|\n|:-|-:|\n|1|2|', '```js evil"><img>\nlet a = "<b>"\n```', '<code><img/onerror=1 src=x></code>', '`<b>` & &lt; &amp; "q"', '[a][1]\n\n[1]: javascript:alert(1)', '<!-- c -->\n\n<div>\n\n*a*\n\n</div>', '[x](\x01javascript:alert(1))','[x](&#106;avascript:alert(1))', '[rel](/foo) [frag](#x)', '<a href="x">y</a>', 'line1\nline2', '1. a\n2. b\n   ```\n   code\n   ```'])
  console.log(JSON.stringify(t), '\n   ', m(t).join('\n    '))
function time(name: string, t: string) { const s = performance.now(); m(t); console.log(name, t.length, (performance.now()-s).toFixed(1)+'ms') }
const para = 'Lorem **ipsum** dolor sit `amet`, [link](https://x.y) consectetur.\n\n'
for (let i=0;i<3;i++) time('plain', para.repeat(750))
time('list', '- Lorem **ipsum** dolor sit `amet`\n'.repeat(1500))
for (const c of ['[','*','_','`','<','![','> ','- ','\n- ','((','~~','|','\\','&','http://','a@','**a ','*a_ ','[a](','<a ', '  ', '\t', '#', '=', '1. ', '![a](<', '[]: ', '\n>', '    ', '`a``', 'www.', '*a **', '***', '\n|a|\n|-|\n', '[^', '<!--','&#', '_a*'])
  time(JSON.stringify(c), c.repeat(Math.ceil(50000/c.length)).slice(0,50000))
