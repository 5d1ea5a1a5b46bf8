/**
 * Everything of the browser that the library uses, as one small interface: network, time, chance, and the signals that
 * say that trying again is worth it. The real one is at the end; tests pass one with a hand-moved clock and a scripted
 * socket. No other file here touches a global.
 */

/** An open or opening socket. Events stop after `closed`. */
export interface Socket {
  send(text: string): void
  close(code?: number): void
}

export interface SocketEvents {
  opened(): void
  message(data: unknown): void
  /** Once, whether the socket was ever open or not. */
  closed(code: number): void
}

/** The part of Web Storage that is used; `localStorage` is one. */
export interface KeyValueStore {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

export type Cancel = () => void

export interface Environment {
  /** Origin of the server, such as `https://chat.example`; no slash at the end. */
  readonly origin: string
  fetch(url: string, init: RequestInit): Promise<Response>
  openSocket(url: string, events: SocketEvents): Socket
  /** Milliseconds since the epoch. */
  now(): number
  /** From 0 up to, not including, 1. */
  random(): number
  after(ms: number, run: () => void): Cancel
  newId(): string
  /** False only where the browser is sure that there is no network. */
  isOnline(): boolean
  /** Calls back when the network came back or the page is looked at again. */
  onWake(run: () => void): Cancel
  /** Calls back when the browser says that the network is gone. */
  onOffline(run: () => void): Cancel
  /** Calls back when another tab changed what is stored for all of them. */
  onStoreChange(run: () => void): Cancel
  /** Runs one at a time among all tabs of this origin, where the browser can do that. */
  exclusively<T>(name: string, run: () => Promise<T>): Promise<T>
}

export function browserEnvironment(origin: string = location.origin): Environment {
  return {
    origin,
    fetch: (url, init) => fetch(url, init),
    openSocket,
    now: () => Date.now(),
    random: () => Math.random(),
    after(ms, run) {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
    // `crypto.randomUUID` is absent on pages served without TLS from another host than localhost.
    newId: () => Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join(''),
    isOnline: () => navigator.onLine,
    onWake(run) {
      const seen = () => {
        if (document.visibilityState === 'visible') run()
      }
      const cancels = [listen(window, 'online', run), listen(window, 'pageshow', seen)]
      cancels.push(listen(document, 'visibilitychange', seen))
      return () => cancels.forEach((cancel) => cancel())
    },
    onOffline: (run) => listen(window, 'offline', run),
    onStoreChange: (run) => listen(window, 'storage', run),
    async exclusively(name, run) {
      // Absent without TLS, as above: then two tabs that open at once may each make a guest, and the later one counts.
      const locks = navigator.locks as LockManager | undefined
      return locks ? await locks.request(name, run) : await run()
    },
  }
}

function openSocket(url: string, events: SocketEvents): Socket {
  const socket = new WebSocket(url)
  socket.addEventListener('open', () => events.opened())
  socket.addEventListener('message', (event) => events.message(event.data))
  socket.addEventListener('close', (event) => events.closed(event.code))
  return { send: (text) => socket.send(text), close: (code) => socket.close(code) }
}

function listen(target: EventTarget, type: string, run: () => void): Cancel {
  target.addEventListener(type, run)
  return () => target.removeEventListener(type, run)
}

const hex = (byte: number) => byte.toString(16).padStart(2, '0')
