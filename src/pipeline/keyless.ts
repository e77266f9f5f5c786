/**
 * Routes while keys are away: what becomes of records whose content would have to be sealed with a key that cannot be
 * had, where the configuration wants them refused or set aside instead of sent again by their sender.
 */
import { KeyError } from '../errors.ts'
import type { OpenPlan, Routes } from './fan_out.ts'
import type { CopyForm } from './forms.ts'
import { type Route, TenantRoutes } from './residency.ts'

/** Whether each of these plans could be sealed now. */
export function canSeal(plans: readonly OpenPlan[]): boolean {
  return plans.every((plan) => plan.count === 0 || plan.forms.every(isReady))
}

function isReady(form: CopyForm): boolean {
  try {
    form.ready?.()
    return true
  } catch (error) {
    if (error instanceof KeyError) return false
    throw error
  }
}

/** For one request: keys may be back with the next. */
export class KeylessRoutes implements Routes {
  readonly #routes: Routes
  readonly #instead: Route
  readonly #byTenant = new Map<string, TenantRoutes>()

  constructor(routes: Routes, instead: 'reject' | 'quarantine') {
    this.#routes = routes
    this.#instead = { is: instead, reason: 'a key to seal content cannot be had' }
  }

  routesOf(tenant: string): TenantRoutes {
    const routes = this.#byTenant.get(tenant) ?? new TenantRoutes()
    this.#byTenant.set(tenant, routes)
    return routes
  }

  route(tenant: string, mask: number, routes: TenantRoutes): Route {
    const route = this.#routes.route(tenant, mask, this.#routes.routesOf(tenant))
    const now = route.is === 'copies' && !route.copies.every(({ form }) => isReady(form)) ? this.#instead : route
    routes.byMask.set(mask, now)
    return now
  }
}
