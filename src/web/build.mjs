import {mkdirSync,writeFileSync} from 'node:fs'; mkdirSync('.build/page',{recursive:true}); writeFileSync('.build/page/index.html','<p>page</p>')
