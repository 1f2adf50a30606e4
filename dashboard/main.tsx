/*! With Preact: MIT License, Copyright (c) 2015-present Jason Miller */
import { render } from 'preact'
import { App } from './app.tsx'
import './style.css'

render(<App />, document.getElementById('root')!)
