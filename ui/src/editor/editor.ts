import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { yaml } from '@codemirror/lang-yaml'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { setDiagnostics } from '@codemirror/lint'
import { MergeView } from '@codemirror/merge'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { hcl } from 'codemirror-lang-hcl'
import type { Language } from './language.ts'
import { type Problem, validate } from './validate.ts'

// This file and all that it imports are loaded when a value is opened.
//
// Editors stand in shadow roots: there their styles come as style sheets made
// by script, which the policy of the page allows; in the document they would be
// inline styles, which it does not.

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--text)', backgroundColor: 'var(--surface)', fontSize: '0.875rem' },
  '&.cm-focused': { outline: '2px solid var(--focus)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--text)', padding: '0.5rem 0' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'var(--surface-2)', color: 'var(--muted)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--accent) 7%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent)' },
  '.cm-matchingBracket': { backgroundColor: 'var(--accent-bg)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--critical)' },
  '.cm-changedLine': { backgroundColor: 'color-mix(in srgb, var(--accent) 9%, transparent)' },
  '&.cm-merge-a .cm-changedLine': { backgroundColor: 'var(--critical-bg)' },
  '&.cm-merge-b .cm-changedLine': { backgroundColor: 'var(--passing-bg)' },
  '&.cm-merge-a .cm-changedText': { background: 'color-mix(in srgb, var(--critical) 30%, transparent)' },
  '&.cm-merge-b .cm-changedText': { background: 'color-mix(in srgb, var(--passing) 30%, transparent)' },
  '.cm-collapsedLines': { background: 'var(--surface-2)', color: 'var(--muted)' },
})

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.attributeName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--passing)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--warning)' },
  { tag: [tags.keyword, tags.typeName, tags.labelName], color: 'var(--maintenance)' },
  { tag: [tags.comment, tags.meta], color: 'var(--muted)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--critical)' },
])

function grammar(language: Language): Extension {
  switch (language) {
    case 'json': return json()
    case 'yaml': return yaml()
    case 'hcl': return hcl()
    case 'plain': return []
  }
}

const look = [theme, syntaxHighlighting(colours), EditorView.lineWrapping, drawSelection()]

export interface EditorOptions {
  text: string
  language: Language
  label: string
  onChange: (text: string) => void
  onProblem: (problem: Problem | undefined) => void
}

/** An editor of a text, in an element of its own. */
export class Editor {
  private readonly view: EditorView
  private readonly grammar = new Compartment()
  private language: Language
  private checking: ReturnType<typeof setTimeout> | undefined

  constructor(host: HTMLElement, private readonly options: EditorOptions) {
    const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' })
    this.language = options.language
    this.view = new EditorView({
      root, parent: root,
      state: EditorState.create({
        doc: options.text,
        extensions: [
          lineNumbers(), history(), indentOnInput(), bracketMatching(), highlightActiveLine(), look,
          keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]), // Esc, then Tab leaves
          EditorView.contentAttributes.of({ 'aria-label': options.label }),
          this.grammar.of(grammar(options.language)),
          EditorView.updateListener.of((u) => {
            if (!u.docChanged) return
            options.onChange(u.state.doc.toString())
            this.check()
          }),
        ],
      }),
    })
    this.check()
  }

  /** Replaces the text, unless it is the same. */
  setText(text: string): void {
    const { doc } = this.view.state
    if (doc.toString() !== text) this.view.dispatch({ changes: { from: 0, to: doc.length, insert: text } })
  }

  setLanguage(language: Language): void {
    if (language === this.language) return
    this.language = language
    this.view.dispatch({ effects: this.grammar.reconfigure(grammar(language)) })
    this.check()
  }

  destroy(): void {
    clearTimeout(this.checking)
    this.view.destroy()
  }

  /** Checks the text a moment after the last change of it. */
  private check(): void {
    clearTimeout(this.checking)
    this.checking = setTimeout(() => {
      const found = validate(this.view.state.doc.toString(), this.language)
      this.view.dispatch(setDiagnostics(this.view.state, found ? [{ from: found.from, to: found.to, severity: 'error', message: found.message }] : []))
      this.options.onProblem(found)
    }, 150)
  }
}

/** Two texts side by side, only to read. Returns what removes them. */
export function showDiff(host: HTMLElement, before: string, after: string, language: Language, labels: [string, string]): () => void {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' })
  const side = (doc: string, label: string) => ({
    doc,
    extensions: [lineNumbers(), look, grammar(language), EditorState.readOnly.of(true), EditorView.contentAttributes.of({ 'aria-label': label })],
  })
  const view = new MergeView({
    root, parent: root, a: side(before, labels[0]), b: side(after, labels[1]),
    gutter: true, highlightChanges: true, collapseUnchanged: { margin: 3, minSize: 8 },
  })
  return () => view.destroy()
}
