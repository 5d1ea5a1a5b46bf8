/**
 * Where webhooks may go, as a table: every notation of what is not public that `new URL` accepts, and what is public.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressRefusal, MAX_URL_CHARS } from '../../src/webhooks/address.ts'

const production = { isLocal: false, ownHost: 'chat.example' }
const local = { isLocal: true, ownHost: 'localhost:8787' }

describe('in production', () => {
  test.each([
    'https://hooks.example/in',
    'https://hooks.example:8443/in?token=a#b',
    'https://HOOKS.Example./in',
    'https://bücher.example/',
    'https://localhost.example/',
    'https://internal.example/',
    'https://8.8.8.8/',
    'https://100.63.255.255/',
    'https://100.128.0.0/',
    'https://172.15.0.1/',
    'https://172.32.0.1/',
    'https://192.167.1.1/',
    'https://[2606:4700:4700::1111]/',
    'https://[2001:4860:4860::8888]/',
    'https://chat.example:8443/',
  ])('H5 allows %s', (url) => {
    expect(addressRefusal(url, production)).toBeNull()
  })

  test.each([
    ['no address', 'hooks.example'],
    ['no address', ''],
    ['no address', 'https://'],
    ['another scheme', 'http://hooks.example/'],
    ['another scheme', 'ftp://hooks.example/'],
    ['another scheme', 'file:///etc/passwd'],
    ['another scheme', 'javascript:alert(1)'],
    ['a password', 'https://me:secret@hooks.example/'],
    ['a name', 'https://me@hooks.example/'],
    ['our own', 'https://chat.example/api/admin/users'],
    ['our own', 'https://CHAT.example./api/admin/users'],
    ['our own', 'https://chat.example../api/admin/users'],
    ['our own', 'https://chat.example..:443/'],
    ['our own', 'https://chat.example:443/'],
    ['loopback', 'https://localhost/'],
    ['loopback', 'https://LOCALHOST.:8080/'],
    ['loopback with two dots', 'https://localhost../'],
    ['loopback with two dots', 'https://127.0.0.1../'],
    ['loopback with three dots', 'https://127.0.0.1...:8080/'],
    ['loopback in octal, with two dots', 'https://0177.0.0.1../'],
    ['loopback in short, with two dots', 'https://0x7f.1../'],
    ['a number that is no address, with two dots', 'https://1.2.3.999../'],
    ['nothing but dots', 'https://../'],
    ['loopback', 'https://a.localhost/'],
    ['loopback', 'https://127.0.0.1/'],
    ['loopback', 'https://127.255.0.9/'],
    ['loopback in short', 'https://127.1/'],
    ['loopback in decimal', 'https://2130706433/'],
    ['loopback in octal', 'https://0177.0.0.1/'],
    ['loopback in hexadecimal', 'https://0x7f000001/'],
    ['loopback in full-width digits', 'https://１２７.０.０.１/'],
    ['loopback in percent signs', 'https://%31%32%37.0.0.1/'],
    ['loopback', 'https://[::1]/'],
    ['loopback', 'https://[0:0:0:0:0:0:0:1]/'],
    ['this network', 'https://0.0.0.0/'],
    ['this network', 'https://0/'],
    ['unspecified', 'https://[::]/'],
    ['private', 'https://10.0.0.1/'],
    ['private', 'https://172.16.0.1/'],
    ['private', 'https://172.31.255.255/'],
    ['private', 'https://192.168.1.1/'],
    ['private in octal', 'https://012.0.0.1/'],
    ['unique local', 'https://[fc00::1]/'],
    ['unique local', 'https://[fd12:3456::1]/'],
    ['CGNAT', 'https://100.64.0.1/'],
    ['CGNAT', 'https://100.127.255.255/'],
    ['metadata', 'https://169.254.169.254/latest/meta-data/'],
    ['metadata in hexadecimal', 'https://0xa9fea9fe/'],
    ['metadata by name', 'https://metadata.google.internal/'],
    ['metadata', 'https://[fd00:ec2::254]/'],
    ['link-local', 'https://[fe80::1]/'],
    ['documentation', 'https://192.0.2.1/'],
    ['documentation', 'https://[2001:db8::1]/'],
    ['documentation', 'https://[3fff::1]/'],
    ['benchmarks', 'https://198.18.0.1/'],
    ['multicast', 'https://224.0.0.1/'],
    ['multicast', 'https://[ff02::1]/'],
    ['reserved', 'https://240.0.0.1/'],
    ['broadcast', 'https://255.255.255.255/'],
    ['mapped to IPv4', 'https://[::ffff:127.0.0.1]/'],
    ['mapped to IPv4', 'https://[::ffff:8.8.8.8]/'],
    ['compatible to IPv4', 'https://[::169.254.169.254]/'],
    ['translated to IPv4', 'https://[64:ff9b::a9fe:a9fe]/'],
    ['6to4', 'https://[2002:7f00:1::]/'],
    ['Teredo', 'https://[2001:0:7f00:1::]/'],
    ['a name of the network', 'https://printer/'],
    ['a name of the network', 'https://printer.local/'],
    ['a name of the network', 'https://db.internal/'],
    ['a name of the network', 'https://router.home.arpa/'],
    ['a name of the network', 'https://wiki.corp/'],
    ['too long', `https://hooks.example/${'a'.repeat(MAX_URL_CHARS)}`],
  ])('H5 refuses %s: %s', (_, url) => {
    expect(addressRefusal(url, production)).not.toBeNull()
  })

  test('H5 no IPv4 address in a private range is let through in any notation', () => {
    const private4 = fc.oneof(
      fc.integer({ min: 0x0a000000, max: 0x0affffff }),
      fc.integer({ min: 0x7f000000, max: 0x7fffffff }),
      fc.integer({ min: 0xa9fe0000, max: 0xa9feffff }),
      fc.integer({ min: 0xac100000, max: 0xac1fffff }),
      fc.integer({ min: 0xc0a80000, max: 0xc0a8ffff }),
      fc.integer({ min: 0xe0000000, max: 0xffffffff }),
    )
    const dotted = (n: number): string => [24, 16, 8, 0].map((bits) => (n >>> bits) & 255).join('.')
    fc.assert(
      fc.property(private4, (n) => {
        const hex = n.toString(16).padStart(8, '0')
        for (const host of [
          dotted(n),
          String(n),
          `0x${hex}`,
          `0${n.toString(8)}`,
          `[::ffff:${dotted(n)}]`,
          `[::ffff:${hex.slice(0, 4)}:${hex.slice(4)}]`,
          `[64:ff9b::${dotted(n)}]`,
        ])
          for (const dots of host.startsWith('[') ? [''] : ['', '.', '..', '...'])
            expect(addressRefusal(`https://${host}${dots}/`, production), host + dots).not.toBeNull()
      }),
    )
  })
})

describe('on a development machine', () => {
  test.each([
    'http://127.0.0.1:9000/',
    'http://localhost:9000/',
    'http://[::1]:9000/',
    'http://receiver:9000/',
    'http://hooks.example/',
  ])('H5 allows %s', (url) => {
    expect(addressRefusal(url, local)).toBeNull()
  })

  test.each([
    'http://localhost:8787/api/admin/users',
    'http://169.254.169.254/',
    'http://10.0.0.1/',
    'http://[fe80::1]/',
    'ftp://localhost/',
    'http://me:secret@localhost:9000/',
  ])('H5 refuses %s', (url) => {
    expect(addressRefusal(url, local)).not.toBeNull()
  })
})
