/**
 * A component that renders again only when one of its props is another value. (Preact keeps this in its compatibility
 * package, which would bring ten times as much.)
 */
import { Component, h, type ComponentType, type FunctionComponent } from 'preact'

export function memo<P extends object>(component: FunctionComponent<P>): ComponentType<P> {
  return class Memo extends Component<P> {
    static override displayName = `Memo(${component.displayName ?? component.name})`

    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return !sameProps(this.props, next)
    }

    override render() {
      return h(component, this.props)
    }
  }
}

function sameProps(a: object, b: object): boolean {
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => Object.is(Reflect.get(a, key), Reflect.get(b, key)))
}
