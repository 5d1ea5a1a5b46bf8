/**
 * What forms in dialogs are made of: labelled fields with their hint and their error beside them, a password that can be
 * shown, the error that belongs to no field, and the buttons. What is sent is the form's own business.
 */
import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { ParleyError } from '../../client/index.ts'
import { EyeIcon, EyeOffIcon } from '../components/icons.tsx'
import { errorText } from '../error-text.ts'
import type { Task } from './use-task.ts'

interface FieldProps {
  readonly label: string
  /** As the server names it in an error. */
  readonly name: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly task: Task
  readonly type?: 'text' | 'email' | 'password'
  readonly autocomplete?: string
  readonly hint?: string
  readonly maxLength?: number
  readonly isRequired?: boolean
  readonly hasFocus?: boolean
}

export function Field(props: FieldProps) {
  const { label, name, value, onChange, task, type = 'text', hint, isRequired = false } = props
  const id = useId()
  const field = useRef<HTMLInputElement>(null)
  const [isShown, setShown] = useState(false)
  const error = task.error?.field === name ? task.error : null

  // What the server refused has the focus, so that the next key mends it.
  useLayoutEffect(() => {
    if (error) field.current?.focus()
  }, [error])

  const described = [hint !== undefined && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ')
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-box">
        <input
          {...kindOf(type, isShown)}
          ref={field}
          id={id}
          name={name}
          value={value}
          required={isRequired}
          maxLength={props.maxLength}
          autocomplete={props.autocomplete ?? 'off'}
          autofocus={props.hasFocus}
          autocapitalize={type === 'text' ? undefined : 'none'}
          spellcheck={type === 'text' ? undefined : false}
          aria-describedby={described || undefined}
          aria-invalid={error !== null}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
        {type === 'password' && (
          <button
            type="button"
            class="icon-button small"
            aria-label={isShown ? 'Hide the password' : 'Show the password'}
            aria-pressed={isShown}
            onClick={() => setShown(!isShown)}
          >
            {isShown ? <EyeOffIcon size={16} /> : <EyeIcon size={16} />}
          </button>
        )}
      </div>
      {hint !== undefined && (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p class="field-error" id={`${id}-error`} role="alert">
          {fieldErrorText(error)}
        </p>
      )}
    </div>
  )
}

/** One object for each, because each type of field has its own attributes. */
function kindOf(type: 'text' | 'email' | 'password', isShown: boolean) {
  if (type === 'email') return { type } as const
  return type === 'password' && !isShown ? ({ type } as const) : ({ type: 'text' } as const)
}

interface ChoiceProps<T extends string> {
  readonly label: string
  readonly value: T
  readonly options: readonly (readonly [value: T, text: string])[]
  readonly onChange: (value: T) => void
  readonly isHidden?: boolean
  readonly isDisabled?: boolean
}

/** One of a few, as the browser does it. `isHidden` keeps the label for screen readers only. */
export function Choice<T extends string>(props: ChoiceProps<T>) {
  const { label, value, options, onChange, isHidden = false, isDisabled = false } = props
  const id = useId()
  return (
    <div class={isHidden ? 'choice' : 'field'}>
      <label for={id} class={isHidden ? 'visually-hidden' : undefined}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        disabled={isDisabled}
        onChange={(event) => {
          const chosen = options.find(([option]) => option === event.currentTarget.value)
          if (chosen) onChange(chosen[0])
        }}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </div>
  )
}

interface FormProps {
  readonly task: Task
  /** Names of its fields: errors of others are said at the end. */
  readonly fields?: readonly string[]
  readonly submit: string
  readonly isDanger?: boolean
  readonly onSubmit: () => Promise<void>
  readonly onCancel?: () => void
  readonly children?: ComponentChildren
}

export function Form(props: FormProps) {
  const { task, fields = [], submit, isDanger = false, onSubmit, onCancel, children } = props
  const { error, isBusy } = task
  const isElsewhere = error !== null && !(error.field !== undefined && fields.includes(error.field))
  const errorId = useId()
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault()
        void task.run(onSubmit)
      }}
    >
      {children}
      {isElsewhere && <Failure id={errorId} error={error} />}
      <div class="dialog-actions">
        {onCancel && (
          <button type="button" class="button" onClick={onCancel}>
            Cancel
          </button>
        )}
        <button
          type="submit"
          class={isDanger ? 'button danger' : 'button primary'}
          disabled={isBusy}
          aria-busy={isBusy}
          aria-describedby={isElsewhere ? errorId : undefined}
        >
          {submit}
        </button>
      </div>
    </form>
  )
}

interface FailureProps {
  readonly error: ParleyError | null
  readonly id?: string
}

export function Failure({ error, id }: FailureProps) {
  if (!error) return null
  return (
    <p class="form-error" id={id} role="alert">
      {errorText(error)}
    </p>
  )
}

/** The server names its fields in the terms of the protocol; beside the field its name is not needed. */
function fieldErrorText(error: ParleyError): string {
  return errorText(error).replace(/^The field "[\w.]+" /, 'This ')
}
