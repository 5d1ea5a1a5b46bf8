/**
 * Hands a file that was read by a script to the browser, which keeps it where the person wants it: a plain link could not
 * send the token. What is in it is the caller's.
 */
export function download(file: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}
