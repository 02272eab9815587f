import type { CategoryDocument } from '../engine/category.js';
import type { SchemaDocument } from '../engine/schema.js';

/** How a city might run its service requests: families of complaints, and three ideas of what is urgent. */

/** `PUT /settings/prioritization` takes `{ schemas: citySchemas }`. */
export const citySchemas: SchemaDocument[] = [
  // Danger: whoever is in danger comes before all else, and a step says so at every quarter of an hour that is lost.
  {
    id: 'hazard',
    origin: 'created',
    mode: 'step',
    points: [
      { offset: 'PT0S', priority: 600 },
      { offset: 'PT15M', priority: 700 },
      { offset: 'PT30M', priority: 800 },
      { offset: 'PT1H', priority: 900 },
      // The two hours of the agreement are over.
      { offset: 'PT2H', priority: 1200 },
    ],
    businessValueWeight: 1,
    segmentWeights: { phone: 20 },
  },
  // Disturbance: grows by the minute while the neighbours lie awake; the party of last night is nobody's emergency.
  {
    id: 'quality-of-life',
    origin: 'created',
    mode: 'linear',
    points: [
      { offset: 'PT0S', priority: 100 },
      { offset: 'PT1H', priority: 400 },
      { offset: 'PT4H', priority: 550 },
      { offset: 'PT8H', priority: 150 },
    ],
    businessValueWeight: 0.5,
    segmentWeights: { phone: 20 },
  },
  // Planned work: nothing burns until its due date comes near, and a missed one moves up in tiers.
  {
    id: 'upkeep',
    origin: 'due',
    mode: 'linear',
    points: [
      { offset: '-P3D', priority: 50 },
      { offset: '-P1D', priority: 150 },
      { offset: 'PT0S', priority: 500 },
      { offset: 'PT12H', priority: 750 },
      { offset: 'P2D', priority: 950 },
    ],
    businessValueWeight: 0.5,
  },
];

/** A CEL list test over the complaint type. */
const oneOf = (...types: string[]) =>
  `item.attributes.complaintType in [${types.map((type) => `'${type}'`).join(', ')}]`;
const startsWith = (text: string) => `item.attributes.complaintType.startsWith('${text}')`;
const agency = (...ids: string[]) => `item.departmentId in [${ids.map((id) => `'${id}'`).join(', ')}]`;

/** A child that inherits schema and due date from its parent. */
const child = (parent: string, id: string, name: string, rule: string): CategoryDocument => ({
  id,
  parent,
  name,
  rule,
});

/**
 * `PUT /settings/categories` takes `{ categories: cityCategories }`. Siblings are tried in this order: what is dangerous
 * first, whatever agency it went to; the last one takes what no other rule wants, so nothing is ever unclassified.
 */
export const cityCategories: CategoryDocument[] = [
  {
    id: 'hazard',
    parent: null,
    name: 'Danger to life or health',
    rule: oneOf(
      'Illegal Fireworks',
      'Traffic Signal Condition',
      'Bridge Condition',
      'Street Light Condition',
      'Street Sign - Missing',
      'Food Poisoning',
      'Damaged Tree',
      'Drinking Water',
      'Electrical',
      'Elevator',
      'Asbestos',
      'Lead',
      'Hazardous Materials',
      'Indoor Air Quality',
      'HEAT/HOT WATER',
      'Sewer',
      'Water System',
      'Safety',
    ),
    schema: 'hazard',
    sla: 'PT2H',
    defaults: { dueAfter: 'PT2H' },
  },
  child('hazard', 'traffic', 'Signals, lights, bridges', agency('DOT')),
  child('hazard', 'public-health', 'Health', agency('DOHMH', 'DEP')),
  child('hazard', 'fireworks', 'Fireworks', startsWith('Illegal Fireworks')),
  {
    id: 'people',
    parent: null,
    name: 'People in need',
    rule: `${oneOf('Homeless Person Assistance', 'Encampment', 'Panhandling')} || ${agency('DHS')}`,
    schema: 'hazard',
    sla: 'PT2H',
    defaults: { dueAfter: 'PT2H' },
  },
  {
    id: 'noise',
    parent: null,
    name: 'Noise',
    rule: startsWith('Noise'),
    schema: 'quality-of-life',
    sla: 'PT8H',
    defaults: { dueAfter: 'PT8H' },
  },
  child('noise', 'residential', 'At home', startsWith('Noise - Residential')),
  child('noise', 'street', 'In the street or a park', oneOf('Noise - Street/Sidewalk', 'Noise - Park')),
  child('noise', 'commercial', 'From a business', startsWith('Noise - Commercial')),
  child('noise', 'vehicle', 'From a vehicle or aircraft', oneOf('Noise - Vehicle', 'Noise - Helicopter')),
  {
    id: 'parking',
    parent: null,
    name: 'Parking and vehicles',
    rule: oneOf('Illegal Parking', 'Blocked Driveway', 'Abandoned Vehicle', 'Derelict Vehicles', 'Traffic'),
    schema: 'quality-of-life',
    sla: 'PT8H',
    defaults: { dueAfter: 'PT8H' },
  },
  child('parking', 'driveway', 'Blocked driveways', startsWith('Blocked Driveway')),
  child('parking', 'abandoned', 'Abandoned vehicles', oneOf('Abandoned Vehicle', 'Derelict Vehicles')),
  {
    id: 'sanitation',
    parent: null,
    name: 'Waste and cleaning',
    rule: agency('DSNY'),
    schema: 'upkeep',
    sla: 'P2D',
    defaults: { dueAfter: 'P2D' },
  },
  child('sanitation', 'collection', 'Missed collections', startsWith('Missed Collection')),
  {
    id: 'inspection',
    parent: null,
    name: 'Inspections',
    rule: agency('DOHMH', 'DOB', 'HPD', 'DCWP', 'DEP'),
    schema: 'upkeep',
    sla: 'P3D',
    defaults: { dueAfter: 'P3D' },
  },
  child('inspection', 'rodents', 'Rodents', startsWith('Rodent')),
  child('inspection', 'food', 'Food', startsWith('Food')),
  {
    id: 'streets',
    parent: null,
    name: 'Streets and parks',
    rule: agency('DOT', 'DPR'),
    schema: 'upkeep',
    sla: 'P3D',
    defaults: { dueAfter: 'P3D' },
  },
  {
    id: 'police',
    parent: null,
    name: 'Other police matters',
    rule: agency('NYPD'),
    schema: 'quality-of-life',
    sla: 'PT8H',
    defaults: { dueAfter: 'PT8H' },
  },
  {
    id: 'other',
    parent: null,
    name: 'Everything else',
    rule: 'true',
    schema: 'upkeep',
    sla: 'P5D',
    defaults: { dueAfter: 'P5D' },
  },
];
