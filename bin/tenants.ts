/** The one tenant that a server has until others are provisioned. */
export const demoTenant = 'demo';
