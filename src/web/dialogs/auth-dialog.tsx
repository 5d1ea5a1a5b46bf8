/**
 * Signing in and registering, in one dialog that can be turned from one to the other. The browser's password manager
 * knows the fields by their `autocomplete`; the rule for passwords is said before anything is sent.
 */
import { useState } from 'preact/hooks'
import type { Parley } from '../../client/index.ts'
import { MAX_NAME_CHARS, MIN_PASSWORD_CHARS } from '../../protocol/accounts.ts'
import { Dialog } from '../components/dialog.tsx'
import { useStore } from '../store.ts'
import { Field, Form } from './form.tsx'
import { useTask } from './use-task.ts'
import { passwordFault, wrongAt } from './password-fault.ts'

interface AuthDialogProps {
  readonly parley: Parley
  readonly mode: 'sign-in' | 'register'
  readonly onClose: () => void
}

export function AuthDialog({ parley, mode: first, onClose }: AuthDialogProps) {
  const session = useStore(parley.session)
  const [mode, setMode] = useState(first)
  const [email, setEmail] = useState(session.state === 'ended' ? (session.email ?? '') : '')
  const [password, setPassword] = useState('')
  const [name, setName] = useState('')
  const task = useTask()
  const isNew = mode === 'register'

  const submit = async () => {
    if (isNew) {
      passwordFault('password', password)
      const said = name.trim()
      await parley.account.register({ email, password, ...(said !== '' && { name: said }) })
    } else {
      await wrongAt('password', 'invalid_credentials', () => parley.account.signIn({ email, password }))
    }
    onClose()
  }
  return (
    <Dialog title={isNew ? 'Create an account' : 'Sign in'} onClose={onClose}>
      <p>{introduction(isNew, session.state === 'guest')}</p>
      <Form
        key={mode}
        task={task}
        fields={['email', 'password', 'name']}
        submit={isNew ? 'Create account' : 'Sign in'}
        onSubmit={submit}
        onCancel={onClose}
      >
        <Field
          label="Email"
          name="email"
          type="email"
          autocomplete="username"
          value={email}
          onChange={setEmail}
          task={task}
          isRequired
          hasFocus
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autocomplete={isNew ? 'new-password' : 'current-password'}
          value={password}
          onChange={setPassword}
          task={task}
          isRequired
          {...(isNew && { hint: `At least ${MIN_PASSWORD_CHARS} characters. A few words are good.` })}
        />
        {isNew && (
          <Field
            label="Name"
            hint="Others in a conversation see it. You can leave it out."
            name="name"
            autocomplete="nickname"
            maxLength={MAX_NAME_CHARS}
            value={name}
            onChange={setName}
            task={task}
          />
        )}
      </Form>
      <p class="dialog-foot">
        {isNew ? 'Have an account?' : 'No account yet?'}{' '}
        <button type="button" class="link-button" onClick={() => setMode(isNew ? 'sign-in' : 'register')}>
          {isNew ? 'Sign in' : 'Create one'}
        </button>
      </p>
    </Dialog>
  )
}

function introduction(isNew: boolean, isGuest: boolean): string {
  if (isNew) {
    return isGuest
      ? 'Your conversations stay yours, and you find them on every device.'
      : 'With an account you find your conversations on every device.'
  }
  return isGuest
    ? 'What you wrote as a guest stays with the guest. To keep it, create an account instead.'
    : 'Go on where you were.'
}
