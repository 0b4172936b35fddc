/** The time, as ages show it: moves once a second while the page is seen. */
class Clock {
  now = $state(Date.now())

  start(): () => void {
    const timer = setInterval(() => {
      if (!document.hidden) this.now = Date.now()
    }, 1_000)
    return () => clearInterval(timer)
  }
}

export const clock = new Clock()
