/**
 * The route of a pipeline without a residency connector: every record goes to each of its exporters, as the chain
 * left it. Fields that the chain marked to be sealed are sealed; stores that keep purposes apart get one copy a purpose.
 */
import type { Purposes, Sealer } from '../contract.ts'
import type { Routes } from './fan_out.ts'
import { appendix, type CopyForm, sealedWith } from './forms.ts'
import { bits, type Route, RoutedCopy, type RouteTarget, TenantRoutes } from './residency.ts'

export interface DirectTarget extends RouteTarget {
  /** The exporter's region; `''` where it has none. */
  readonly region: string
}

export class DirectRoutes implements Routes {
  readonly #targets: readonly DirectTarget[]
  readonly #purposes: Purposes
  readonly #sealer: Sealer
  /** One map for all: stores are the only ones that need to know the tenant, and get it by their own. */
  readonly #byTenant = new Map<string, TenantRoutes>()
  readonly #tenantsMax: number

  constructor(targets: readonly DirectTarget[], purposes: Purposes, sealer: Sealer, tenantsMax: number) {
    this.#targets = targets
    this.#purposes = purposes
    this.#sealer = sealer
    this.#tenantsMax = tenantsMax
  }

  routesOf(tenant: string): TenantRoutes {
    let routes = this.#byTenant.get(tenant)
    if (routes === undefined) {
      if (this.#byTenant.size >= this.#tenantsMax) this.#byTenant.clear()
      routes = new TenantRoutes()
      this.#byTenant.set(tenant, routes)
    }
    return routes
  }

  route(tenant: string, mask: number, routes: TenantRoutes): Route {
    const copies: RoutedCopy[] = []
    // Exporters that get the same share one form: so it can be seen that their bytes are the same.
    const forms = new Map<string, CopyForm>()
    for (const target of this.#targets) {
      const masks = target.purposes === 'apart' && mask !== 0 ? bits(mask) : [mask]
      for (const part of masks) {
        const key = `${part} ${target.purposes} ${target.region}`
        const form = forms.get(key) ?? this.#form(target, tenant, part)
        forms.set(key, form)
        copies.push(new RoutedCopy(target.destination, form, copies.length === 0))
      }
    }
    const route: Route = { is: 'copies', copies }
    routes.byMask.set(mask, route)
    return route
  }

  #form(target: DirectTarget, tenant: string, mask: number): CopyForm {
    const names = this.#purposes.names(mask)
    const context = { tenant, region: target.region, purpose: names[0] ?? '', retention: '' }
    const isStore = target.purposes === 'apart'
    return {
      holding: { tenant, purposes: names, content: 'keep' },
      content: 'as_marked',
      ...(mask !== 0 && { purposes: mask }),
      appendix: appendix(names, isStore ? tenant : '', isStore ? target.region : ''),
      ...sealedWith(this.#sealer, context),
      index: (value, field) => this.#sealer.index?.(value, tenant, field) ?? '',
      ready: () => this.#sealer.ready?.(context),
    }
  }
}
